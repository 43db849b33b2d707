//! Messages between separators.

use super::partial::Partial;
use super::separators::Separators;
use super::voice::Voice;
use super::{Broken, LONGEST_MESSAGE, Out};

/// Lines, or what stands between delimiters.
#[derive(Debug)]
pub(super) struct Items {
    separators: Separators,
    /// A carriage return at the end of an item belongs to the separator.
    carriage_returns: bool,
    partial: Partial,
}

impl Items {
    pub(super) fn new(separators: Separators, carriage_returns: bool) -> Self {
        Self { separators, carriage_returns, partial: Partial::default() }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], voice: &mut Voice, out: &mut Out<'_>) -> Result<(), Broken> {
        let Some((run, rest)) = self.separators.last(bytes).and_then(|at| around(bytes, at)) else {
            return self.collect(bytes);
        };
        voice.expect(run.len());
        let said = self.say_ended(run, voice, out);
        voice.expect(0);
        said?;
        self.collect(rest)
    }

    /// What a separator follows. It begins with the rest of the item that has come in part, if there is one.
    fn say_ended(&mut self, run: &[u8], voice: &mut Voice, out: &mut Out<'_>) -> Result<(), Broken> {
        if self.partial.is_empty() {
            self.say_run(run, voice, out);
            return Ok(());
        }
        let (end, more) = self.cut(run).map_or((run, None), |(end, more)| (end, Some(more)));
        self.collect(end)?;
        self.say_partial(voice, out);
        if let Some(more) = more {
            self.say_run(more, voice, out);
        }
        Ok(())
    }

    /// What has no separator is an item too, but for a lone carriage return.
    pub(super) fn finish(&mut self, voice: &mut Voice, out: &mut Out<'_>) {
        let lone_return = self.carriage_returns && self.partial.payload() == b"\r";
        if !self.partial.is_empty() && !lone_return {
            self.say_partial(voice, out);
        }
    }

    /// Items with separators between them. They are looked at for bad UTF-8 all at once.
    fn say_run(&self, mut run: &[u8], voice: &mut Voice, out: &mut Out<'_>) {
        if let Some(mut text) = std::str::from_utf8(run).ok().filter(|_| self.separators.are_ascii()) {
            while let Some((item, rest)) = self.separators.first(text.as_bytes()).and_then(|at| around_text(text, at)) {
                voice.say_text(if self.carriage_returns { without_return(item) } else { item }, out);
                text = rest;
            }
            voice.say_text(if self.carriage_returns { without_return(text) } else { text }, out);
        } else {
            while let Some((item, rest)) = self.cut(run) {
                self.say_bytes(item, voice, out);
                run = rest;
            }
            self.say_bytes(run, voice, out);
        }
    }

    fn say_bytes(&self, item: &[u8], voice: &mut Voice, out: &mut Out<'_>) {
        let item = if self.carriage_returns { item.strip_suffix(b"\r").unwrap_or(item) } else { item };
        voice.say(item, out);
    }

    fn say_partial(&mut self, voice: &mut Voice, out: &mut Out<'_>) {
        if self.carriage_returns {
            self.partial.strip(b'\r');
        }
        voice.say_partial(&mut self.partial, out);
    }

    fn collect(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.partial.payload().len().saturating_add(bytes.len()) > LONGEST_MESSAGE {
            return Err(Broken(format!("the command said more than {LONGEST_MESSAGE} bytes without a separator")));
        }
        self.partial.extend(bytes);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.partial.held()
    }

    fn cut<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        self.separators.first(bytes).and_then(|at| around(bytes, at))
    }
}

/// What is before and what is behind the byte at `at`.
fn around(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

fn around_text(text: &str, at: usize) -> Option<(&str, &str)> {
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn without_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}
