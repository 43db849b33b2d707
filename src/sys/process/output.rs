//! What a child prints: lines for the log, and the last of them for the sentence that says how it ended.

use std::collections::VecDeque;

/// Bytes of a line that are kept.
const LONGEST_LINE: usize = 1_000;
/// Lines that are remembered.
const TAIL: usize = 20;
/// Lines that go into a sentence.
const QUOTED: usize = 3;

/// Cuts a stream of bytes into lines that can be shown.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    /// Whether the line at hand is longer than what is kept of it.
    cut: bool,
    tail: VecDeque<String>,
}

impl Lines {
    /// Takes what was read; `show` gets each line that is complete. Empty lines are left out.
    pub fn take(&mut self, bytes: &[u8], mut show: impl FnMut(&str)) {
        let mut pieces = bytes.split(|&byte| matches!(byte, b'\n' | b'\r'));
        let mut piece = pieces.next();
        while let Some(part) = piece {
            let room = LONGEST_LINE.saturating_sub(self.partial.len()).min(part.len());
            self.partial.extend_from_slice(part.get(..room).unwrap_or_default());
            self.cut |= room < part.len();
            piece = pieces.next();
            if piece.is_some() {
                self.end_line(&mut show);
            }
        }
    }

    /// Shows what came without an end of line.
    pub fn finish(&mut self, mut show: impl FnMut(&str)) {
        self.end_line(&mut show);
    }

    fn end_line(&mut self, show: &mut impl FnMut(&str)) {
        let mut line = printable(&self.partial);
        if self.cut {
            line.push('…');
        }
        self.partial.clear();
        self.cut = false;
        if line.is_empty() {
            return;
        }
        show(&line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }

    /// The very last lines as the end of a sentence; empty when nothing was printed.
    pub fn quote(&self) -> String {
        let first = self.tail.len().saturating_sub(QUOTED);
        let last: Vec<&str> = self.tail().skip(first).collect();
        if last.is_empty() { String::new() } else { format!("; it said last: {}", last.join(" | ")) }
    }
}

/// Text with everything that a terminal could take as an order written out, and without blanks at its end.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut line = String::with_capacity(text.len());
    for letter in text.trim_end().chars() {
        match letter {
            '\t' => line.push(' '),
            letter if letter.is_control() => line.extend(letter.escape_default()),
            letter => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(chunks: &[&[u8]]) -> (Vec<String>, Lines) {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.take(chunk, |line| all.push(line.to_owned()));
        }
        lines.finish(|line| all.push(line.to_owned()));
        (all, lines)
    }

    #[test]
    fn lines_are_cut_where_they_end_whatever_the_chunks() {
        assert_eq!(shown(&[b"a\nb", b"c\r\n", b"\n10%\r20%", b""]).0, ["a", "bc", "10%", "20%"]);
    }

    #[test]
    fn junk_becomes_printable_and_endless_lines_are_cut() {
        let (all, _) = shown(&[b"\x1b[31m\xff\x00\tx\n"]);
        assert_eq!(all, ["\\u{1b}[31m\u{fffd}\\u{0} x"]);
        let (all, lines) = shown(&[&[b'a'; 5_000], &[b'b'; 5_000], b"\nc\n"]);
        assert_eq!(all, [format!("{}…", "a".repeat(LONGEST_LINE)), "c".to_owned()]);
        assert!(lines.partial.capacity() <= 2 * LONGEST_LINE);
    }

    #[test]
    fn the_last_lines_are_remembered() {
        let text: String = (0..100).flat_map(|number| [number.to_string(), "\n".to_owned()]).collect();
        let (_, lines) = shown(&[text.as_bytes()]);
        assert_eq!(lines.tail().count(), TAIL);
        assert_eq!(lines.quote(), "; it said last: 97 | 98 | 99");
        assert_eq!(Lines::default().quote(), "");
    }
}
