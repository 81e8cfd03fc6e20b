(function() {
    const implementors = Object.fromEntries([["gort",[["impl <a class=\"trait\" href=\"https://doc.rust-lang.org/1.95.0/core/convert/trait.From.html\" title=\"trait core::convert::From\">From</a>&lt;<a class=\"struct\" href=\"gort/io/struct.Closed.html\" title=\"struct gort::io::Closed\">Closed</a>&gt; for <a class=\"struct\" href=\"https://doc.rust-lang.org/1.95.0/std/io/error/struct.Error.html\" title=\"struct std::io::error::Error\">Error</a>",0],["impl&lt;T&gt; <a class=\"trait\" href=\"https://doc.rust-lang.org/1.95.0/core/convert/trait.From.html\" title=\"trait core::convert::From\">From</a>&lt;T&gt; for <a class=\"struct\" href=\"gort/sync/struct.Mutex.html\" title=\"struct gort::sync::Mutex\">Mutex</a>&lt;T&gt;",0],["impl&lt;T&gt; <a class=\"trait\" href=\"https://doc.rust-lang.org/1.95.0/core/convert/trait.From.html\" title=\"trait core::convert::From\">From</a>&lt;T&gt; for <a class=\"struct\" href=\"gort/sync/struct.OnceLock.html\" title=\"struct gort::sync::OnceLock\">OnceLock</a>&lt;T&gt;",0],["impl&lt;T&gt; <a class=\"trait\" href=\"https://doc.rust-lang.org/1.95.0/core/convert/trait.From.html\" title=\"trait core::convert::From\">From</a>&lt;T&gt; for <a class=\"struct\" href=\"gort/sync/struct.RwLock.html\" title=\"struct gort::sync::RwLock\">RwLock</a>&lt;T&gt;",0]]]]);
    if (window.register_implementors) {
        window.register_implementors(implementors);
    } else {
        window.pending_implementors = implementors;
    }
})()
//{"start":59,"fragment_lengths":[1259]}