//! Messages between the broker (privileged, no wasm) and the runner
//! (confined, runs components). One SEQPACKET message each, postcard-encoded.
