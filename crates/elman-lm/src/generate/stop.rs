/// Finds the first stop text in a text that arrives in pieces. Holds back what may be the start of a stop text.
#[derive(Clone, Debug)]
pub(super) struct StopTexts {
    stops: Vec<String>,
    held: String,
}

/// Text that can be output now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    pub text: String,
    /// A stop text was found; no more text follows.
    pub stopped: bool,
}

impl StopTexts {
    /// `stops` must not contain empty texts.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Adds the next piece.
    pub(super) fn push(&mut self, piece: &str) -> Released {
        self.held.push_str(piece);
        if let Some(start) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(start);
            return Released { text: self.finish(), stopped: true };
        }
        let partial = self.partial_stop();
        let text = self.held.drain(..self.held.len() - partial).collect();
        Released { text, stopped: false }
    }

    /// The text that is still held back at the end.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that may be the start of a stop text.
    fn partial_stop(&self) -> usize {
        let max = self.stops.iter().map(|stop| stop.len() - 1).max().unwrap_or(0);
        let first = self.held.len().saturating_sub(max);
        (first..self.held.len())
            .filter(|start| self.held.is_char_boundary(*start))
            .find(|start| self.stops.iter().any(|stop| stop.starts_with(&self.held[*start..])))
            .map_or(0, |start| self.held.len() - start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stops(texts: &[&str]) -> StopTexts {
        StopTexts::new(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn a_possible_start_of_a_stop_text_is_held_back() {
        let mut texts = stops(&["END", "\n\n"]);
        let mut push = |piece| {
            let released = texts.push(piece);
            (released.text, released.stopped)
        };
        assert_eq!(push("an E"), ("an ".into(), false));
        assert_eq!(push("N"), ("".into(), false));
        assert_eq!(push("E"), ("EN".into(), false));
        assert_eq!(push("x\n"), ("Ex".into(), false));
        assert_eq!(push("\n E"), ("".into(), true));
        assert_eq!(texts.finish(), "");
    }

    #[test]
    fn the_earliest_stop_text_counts() {
        assert_eq!(stops(&["b", "ab"]).push("xaby"), Released { text: "x".into(), stopped: true });
        assert_eq!(stops(&[]).push("xaby"), Released { text: "xaby".into(), stopped: false });
    }

    #[test]
    fn held_text_is_released_at_the_end() {
        let mut texts = stops(&["ééé"]);
        assert_eq!(texts.push("aéé").text, "a");
        assert_eq!(texts.finish(), "éé");
    }

    proptest! {
        #[test]
        fn pieces_release_what_the_whole_text_does(pieces in prop::collection::vec("[abé]{0,3}", 0..12), stop in "[abé]{1,3}") {
            let whole: String = pieces.concat();
            let mut texts = stops(&[&stop]);
            let mut output = String::new();
            for piece in &pieces {
                let released = texts.push(piece);
                output += &released.text;
                if released.stopped {
                    break;
                }
            }
            output += &texts.finish();
            prop_assert_eq!(output, whole.split(&stop).next().unwrap());
        }
    }
}
