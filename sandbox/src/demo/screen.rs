//! What the command prints: headings, aligned facts, lines of progress. Guarantees plain text when
//! the output is not a terminal, or when `NO_COLOR` is set.

use std::io::{IsTerminal as _, Stdout, Write as _};
use std::time::Instant;

/// Width of a line that fits everywhere.
const WIDTH: usize = 80;
/// Width of the names of facts.
const NAME_WIDTH: usize = 16;
/// Width of what stands before the text of a line of progress.
const MARGIN: usize = 28;

/// Prints to standard output.
pub(crate) struct Screen {
    output: Stdout,
    styled: bool,
    started: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let output = std::io::stdout();
        let styled = output.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { output, styled, started: Instant::now() }
    }

    /// One line as it is. A closed pipe is no reason to stop.
    pub(crate) fn line(&self, text: &str) {
        let _ = writeln!(self.output.lock(), "{}", text.trim_end());
    }

    /// A heading with an empty line before it.
    pub(crate) fn heading(&self, text: &str) {
        self.line("");
        if self.styled {
            self.line(&format!("\x1b[1m{text}\x1b[0m"));
        } else {
            self.line(text);
        }
    }

    /// A name and a value, aligned with the other lines.
    pub(crate) fn fact(&self, name: &str, value: &str) {
        self.line(&format!("  {name:NAME_WIDTH$} {value}"));
    }

    /// Something that happened to one resource, with the time since the start.
    pub(crate) fn progress(&self, resource: &str, text: &str) {
        let seconds = self.started.elapsed().as_secs_f32();
        let mut margin = format!("  {seconds:5.1}s  {resource}  ");
        for line in wrap(text, WIDTH - MARGIN) {
            self.line(&format!("{margin:MARGIN$}{line}"));
            margin.clear();
        }
    }
}

/// Breaks a text between words, so that no line is longer than `width` unless a word is.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
    }
}
