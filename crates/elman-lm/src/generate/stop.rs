/// Finds the first stop text in a text that arrives in pieces, and holds back what may be the begin of one.
#[derive(Clone, Debug)]
pub(super) struct StopTexts {
    stops: Vec<String>,
    held: String,
}

/// What can be given out now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    pub text: String,
    /// A stop text has been met; nothing follows.
    pub stopped: bool,
}

impl StopTexts {
    /// None of `stops` is empty.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) -> Released {
        self.held.push_str(piece);
        if let Some(begin) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(begin);
            return Released { text: self.finish(), stopped: true };
        }
        let keep = self.longest_begin();
        let text = self.held.drain(..self.held.len() - keep).collect();
        Released { text, stopped: false }
    }

    /// What is still held back, when no more text will come.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that a stop text begins with.
    fn longest_begin(&self) -> usize {
        let longest = self.stops.iter().map(|stop| stop.len() - 1).max().unwrap_or(0);
        let first = self.held.len().saturating_sub(longest);
        (first..self.held.len())
            .filter(|begin| self.held.is_char_boundary(*begin))
            .find(|begin| self.stops.iter().any(|stop| stop.starts_with(&self.held[*begin..])))
            .map_or(0, |begin| self.held.len() - begin)
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
    fn the_begin_of_a_stop_text_is_held_back_until_it_is_known_not_to_be_one() {
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
    fn the_first_of_several_stop_texts_counts() {
        assert_eq!(stops(&["b", "ab"]).push("xaby"), Released { text: "x".into(), stopped: true });
        assert_eq!(stops(&[]).push("xaby"), Released { text: "xaby".into(), stopped: false });
    }

    #[test]
    fn what_is_held_at_the_end_is_given_out() {
        let mut texts = stops(&["ééé"]);
        assert_eq!(texts.push("aéé").text, "a");
        assert_eq!(texts.finish(), "éé");
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_text_gives(pieces in prop::collection::vec("[abé]{0,3}", 0..12), stop in "[abé]{1,3}") {
            let whole: String = pieces.concat();
            let mut texts = stops(&[&stop]);
            let mut given = String::new();
            for piece in &pieces {
                let released = texts.push(piece);
                given += &released.text;
                if released.stopped {
                    break;
                }
            }
            given += &texts.finish();
            prop_assert_eq!(given, whole.split(&stop).next().unwrap());
        }
    }
}
