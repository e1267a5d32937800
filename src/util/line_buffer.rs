//! The last lines of a text of any length.

/// The last lines of a text, up to a number of bytes.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    lines: String,
    max_bytes: usize,
}

impl LineBuffer {
    /// An empty buffer for lines of `max_bytes` bytes together, their line ends included.
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self { lines: String::new(), max_bytes }
    }

    /// Adds a line, and removes the first lines if the buffer gets too long. Of a line that is too long
    /// itself, the end is kept.
    pub(crate) fn push(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
        while self.lines.len() > self.max_bytes {
            let end_of_first = self.lines[..self.lines.len() - 1].find('\n');
            let cut = end_of_first.map_or_else(|| self.boundary_after_excess(), |end| end + 1);
            self.lines.drain(..cut);
        }
    }

    /// The first boundary of a character at which the lines can be cut so that the rest is short enough.
    fn boundary_after_excess(&self) -> usize {
        let excess = self.lines.len() - self.max_bytes;
        (excess..self.lines.len()).find(|index| self.lines.is_char_boundary(*index)).unwrap_or(excess)
    }

    /// The lines, each with its line end.
    pub(crate) fn as_str(&self) -> &str {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_buffer_keeps_as_many_of_the_last_lines_as_fit() {
        arbtest::arbtest(|u| {
            let (mut buffer, mut lines) = (LineBuffer::new(10_000), Vec::new());
            for _ in 0..u.int_in_range(0..=40)? {
                let line = "ä€x".repeat(u.int_in_range(0..=300)?);
                buffer.push(&line);
                lines.push(line + "\n");
            }
            let expected = (0..=lines.len()).map(|first| lines[first..].concat()).find(|text| text.len() <= 10_000);
            assert_eq!(buffer.as_str(), expected.unwrap());
            Ok(())
        });
    }

    #[test]
    fn a_line_buffer_keeps_the_end_of_a_line_that_is_too_long() {
        let mut buffer = LineBuffer::new(100);
        buffer.push("before");
        buffer.push(&"ä".repeat(100));
        assert_eq!(buffer.as_str(), "ä".repeat(49) + "\n");
        buffer.push("after");
        assert_eq!(buffer.as_str(), "after\n");
    }
}
