//! Bytes from the thread that downloads to the thread that unpacks, so that a
//! layer is stored and laid out in one pass. Bounded: a slow unpacker slows
//! the download down.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Pieces under way at most; with a network's pieces of some 64 KiB, 2 MiB.
const PIECES: usize = 32;

/// A connected pair.
pub fn pair() -> (StreamWriter, StreamReader) {
    let (send, receive) = sync_channel(PIECES);
    (
        StreamWriter { send },
        StreamReader {
            receive,
            piece: Vec::new(),
            at: 0,
            ended: false,
        },
    )
}

/// The writing end. Dropped without [`StreamWriter::finish`], it makes the
/// reader fail: a download that broke off is not the end of a layer.
#[derive(Debug)]
pub struct StreamWriter {
    send: SyncSender<Option<Vec<u8>>>,
}

/// The reading end.
#[derive(Debug)]
pub struct StreamReader {
    receive: Receiver<Option<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl StreamWriter {
    /// Says that everything was written.
    pub fn finish(self) {
        // A reader that is gone does not want to know.
        let _ = self.send.send(None);
    }
}

impl Write for StreamWriter {
    /// `BrokenPipe` when the reader is gone.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            let sent = self.send.send(Some(bytes.to_vec()));
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for StreamReader {
    /// `UnexpectedEof` when the writer was dropped unfinished.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.ended {
            match self.receive.recv() {
                Ok(Some(piece)) => (self.piece, self.at) = (piece, 0),
                Ok(None) => self.ended = true,
                Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the download broke off",
                    ));
                }
            }
        }
        let n = (self.piece.len() - self.at).min(buffer.len());
        buffer[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_and_end_only_when_finished() {
        let (mut writer, mut reader) = pair();
        writer.write_all(b"abc").unwrap();
        writer.write_all(b"def").unwrap();
        writer.finish();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcdef");

        let (mut writer, mut reader) = pair();
        writer.write_all(b"abc").unwrap();
        drop(writer);
        assert_eq!(
            reader.read_to_end(&mut Vec::new()).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn a_writer_whose_reader_is_gone_gets_a_broken_pipe() {
        let (mut writer, reader) = pair();
        drop(reader);
        assert_eq!(
            writer.write(b"x").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
