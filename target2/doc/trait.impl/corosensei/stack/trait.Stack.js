(function() {
    const implementors = Object.fromEntries([["gort",[["impl Stack for <a class=\"struct\" href=\"gort/switch/portable/struct.SlotStack.html\" title=\"struct gort::switch::portable::SlotStack\">SlotStack</a>",0]]]]);
    if (window.register_implementors) {
        window.register_implementors(implementors);
    } else {
        window.pending_implementors = implementors;
    }
})()
//{"start":59,"fragment_lengths":[168]}