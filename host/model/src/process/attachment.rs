//! A client's connection that becomes a process's terminal or its streams.

use std::os::fd::OwnedFd;

/// A connection that the shim itself reads and writes: the daemon is not in
/// the way of a byte, and the client stays attached when the daemon ends.
#[derive(Debug)]
pub struct Attachment {
    /// A connected stream socket, unix or TCP.
    pub stream: OwnedFd,
    /// What the client had sent before the connection was taken over: the
    /// beginning of its input.
    pub early: Vec<u8>,
    /// The client's bytes are the process's standard input.
    pub stdin: bool,
    /// It receives standard output (with a terminal, all output).
    pub stdout: bool,
    /// It receives standard error.
    pub stderr: bool,
    /// Output is framed as Docker's multiplexed stream: eight bytes of head
    /// before each piece. Never with a terminal.
    pub framed: bool,
    /// The end of this client's input is the end of the process's.
    pub close_stdin: bool,
    /// The bytes that detach the client when they come in a row from its
    /// keyboard; they do not reach the process. Empty: none do.
    pub detach_keys: Vec<u8>,
}
