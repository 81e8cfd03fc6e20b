(function() {
    const implementors = Object.fromEntries([["gort",[["impl <a class=\"trait\" href=\"https://doc.rust-lang.org/1.95.0/core/fmt/trait.Write.html\" title=\"trait core::fmt::Write\">Write</a> for <a class=\"struct\" href=\"gort/base/fatal/struct.Stderr.html\" title=\"struct gort::base::fatal::Stderr\">Stderr</a>",0],["impl <a class=\"trait\" href=\"https://doc.rust-lang.org/1.95.0/core/fmt/trait.Write.html\" title=\"trait core::fmt::Write\">Write</a> for <a class=\"struct\" href=\"gort/panic/dump/struct.Buffered.html\" title=\"struct gort::panic::dump::Buffered\">Buffered</a>",0]]]]);
    if (window.register_implementors) {
        window.register_implementors(implementors);
    } else {
        window.pending_implementors = implementors;
    }
})()
//{"start":59,"fragment_lengths":[542]}