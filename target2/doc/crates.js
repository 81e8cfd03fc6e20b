window.ALL_CRATES = ["gort"];
//{"start":21,"fragment_lengths":[6]}