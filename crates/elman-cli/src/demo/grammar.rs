//! The grammar of Elman (1990), tables 3 and 4: sixteen templates of twelve word classes.

use rand::{Rng, seq::IndexedRandom};

/// A word of the grammar.
pub type Word = &'static str;

/// A word class. Two verbs are in two classes: `see` is transitive and a verb of perception, `break` is an
/// agent-patient verb and a verb of destruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Human,
    Animal,
    Inanimate,
    Aggressor,
    Fragile,
    Food,
    Intransitive,
    Transitive,
    AgentPatient,
    Perception,
    Destruction,
    Eating,
}

use Class::*;

/// All templates, equally likely.
pub const TEMPLATES: [&[Class]; 16] = [
    &[Human, Eating, Food],
    &[Human, Perception, Inanimate],
    &[Human, Destruction, Fragile],
    &[Human, Intransitive],
    &[Human, Transitive, Human],
    &[Human, AgentPatient, Inanimate],
    &[Human, AgentPatient],
    &[Animal, Eating, Food],
    &[Animal, Transitive, Animal],
    &[Animal, AgentPatient, Inanimate],
    &[Animal, AgentPatient],
    &[Inanimate, AgentPatient],
    &[Aggressor, Destruction, Fragile],
    &[Aggressor, Eating, Human],
    &[Aggressor, Eating, Animal],
    &[Aggressor, Eating, Food],
];

impl Class {
    /// All classes, nouns first, and of these the animate ones first.
    pub const ALL: [Self; 12] = [
        Human,
        Animal,
        Aggressor,
        Inanimate,
        Fragile,
        Food,
        Intransitive,
        Transitive,
        AgentPatient,
        Perception,
        Destruction,
        Eating,
    ];

    /// The words of the class, equally likely.
    pub const fn words(self) -> &'static [Word] {
        match self {
            Human => &["man", "woman"],
            Animal => &["cat", "mouse"],
            Inanimate => &["book", "rock"],
            Aggressor => &["dragon", "monster"],
            Fragile => &["glass", "plate"],
            Food => &["cookie", "bread"],
            Intransitive => &["think", "sleep"],
            Transitive => &["see", "chase"],
            AgentPatient => &["move", "break"],
            Perception => &["smell", "see"],
            Destruction => &["break", "smash"],
            Eating => &["eat"],
        }
    }

    /// The paper's name of the class.
    pub const fn name(self) -> &'static str {
        match self {
            Human => "NOUN-HUM",
            Animal => "NOUN-ANIM",
            Inanimate => "NOUN-INANIM",
            Aggressor => "NOUN-AGRESS",
            Fragile => "NOUN-FRAG",
            Food => "NOUN-FOOD",
            Intransitive => "VERB-INTRAN",
            Transitive => "VERB-TRAN",
            AgentPatient => "VERB-AGPAT",
            Perception => "VERB-PERCEPT",
            Destruction => "VERB-DESTROY",
            Eating => "VERB-EAT",
        }
    }

    pub const fn is_noun(self) -> bool {
        matches!(self, Human | Animal | Inanimate | Aggressor | Fragile | Food)
    }

    pub const fn is_animate(self) -> bool {
        matches!(self, Human | Animal | Aggressor)
    }

    /// Whether the class contains a word.
    pub fn contains(self, word: &str) -> bool {
        self.words().contains(&word)
    }

    /// The classes of a word: one, or two for some verbs.
    pub fn for_word(word: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|class| class.contains(word)).collect()
    }
}

/// All words, in the order of [`Class::ALL`].
pub fn words() -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for word in Class::ALL.into_iter().flat_map(Class::words) {
        if !words.contains(word) {
            words.push(word);
        }
    }
    words
}

/// Whether each word is in the corresponding class.
pub fn fits(words: &[&str], classes: &[Class]) -> bool {
    words.len() == classes.len() && words.iter().zip(classes).all(|(word, class)| class.contains(word))
}

/// The name of a sentence's template, such as `HUM EAT FOOD`; `None` if the words are not a sentence. The template is
/// unique.
pub fn template(sentence: &[&str]) -> Option<String> {
    let template = TEMPLATES.into_iter().find(|template| fits(sentence, template))?;
    Some(name(template))
}

/// The name of a template, such as `HUM EAT FOOD`.
pub fn name(template: &[Class]) -> String {
    let short = |class: &Class| class.name().trim_start_matches("NOUN-").trim_start_matches("VERB-");
    template.iter().map(short).collect::<Vec<_>>().join(" ")
}

/// All sentences, template by template.
pub fn sentences() -> Vec<Vec<Word>> {
    TEMPLATES.into_iter().flat_map(sentences_of).collect()
}

fn sentences_of(template: &[Class]) -> Vec<Vec<Word>> {
    let Some((last, before)) = template.split_last() else { return vec![Vec::new()] };
    let extended = |start: Vec<Word>| last.words().iter().map(move |word| [&start[..], &[*word]].concat());
    sentences_of(before).into_iter().flat_map(extended).collect()
}

/// Samples a stream of sentences without marks between them: for each, a template and a word of each class.
pub fn stream(sentences: usize, rng: &mut impl Rng) -> Vec<Word> {
    let mut words = Vec::with_capacity(3 * sentences);
    for _ in 0..sentences {
        let template = TEMPLATES.choose(rng).expect("there are templates");
        words.extend(template.iter().map(|class| class.words().choose(rng).expect("a class has words")));
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use rand::{SeedableRng, rngs::ChaCha12Rng};

    use super::*;

    /// The paper's tables, written out.
    const PAPER: [&str; 16] = [
        "man,woman eat cookie,bread",
        "man,woman smell,see book,rock",
        "man,woman break,smash glass,plate",
        "man,woman think,sleep",
        "man,woman see,chase man,woman",
        "man,woman move,break book,rock",
        "man,woman move,break",
        "cat,mouse eat cookie,bread",
        "cat,mouse see,chase cat,mouse",
        "cat,mouse move,break book,rock",
        "cat,mouse move,break",
        "book,rock move,break",
        "dragon,monster break,smash glass,plate",
        "dragon,monster eat man,woman",
        "dragon,monster eat cat,mouse",
        "dragon,monster eat cookie,bread",
    ];

    /// The indices of the paper's templates that a sentence fits.
    fn paper_templates(sentence: &[&str]) -> Vec<usize> {
        let fits = |template: &str| {
            let slots: Vec<&str> = template.split(' ').collect();
            let word_fits = |(slot, word): (&&str, &&str)| slot.split(',').any(|allowed| allowed == *word);
            slots.len() == sentence.len() && slots.iter().zip(sentence).all(word_fits)
        };
        (0..PAPER.len()).filter(|n| fits(PAPER[*n])).collect()
    }

    #[test]
    fn sentences_equal_those_of_the_paper() {
        let all = sentences();
        assert_eq!(all.len(), 92);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 92);
        let templates: Vec<usize> = all.iter().flat_map(|sentence| paper_templates(sentence)).collect();
        assert_eq!(templates.len(), 92, "one template each");
        for (sentence, n) in all.iter().zip(templates) {
            assert_eq!(template(sentence).unwrap(), name(TEMPLATES[n]));
        }
        assert_eq!(template(&["man", "eat", "rock"]), None);
        assert_eq!(template(&["man"]), None);
        assert_eq!(name(TEMPLATES[12]), "AGRESS DESTROY FRAG");
    }

    #[test]
    fn there_are_21_words_and_two_are_in_two_classes() {
        let words = words();
        assert_eq!(words.len(), 21);
        assert_eq!(words.iter().filter(|word| Class::for_word(word)[0].is_noun()).count(), 12);
        assert_eq!(words.iter().filter(|word| Class::for_word(word)[0].is_animate()).count(), 6);
        let double: Vec<&&str> = words.iter().filter(|word| Class::for_word(word).len() == 2).collect();
        assert_eq!(double, [&"see", &"break"]);
        assert_eq!(Class::for_word("nothing"), []);
    }

    #[test]
    fn templates_and_words_are_equally_likely() {
        const SENTENCES: usize = 32_000;
        let stream = |seed| stream(SENTENCES, &mut ChaCha12Rng::seed_from_u64(seed));
        let words = stream(1);
        assert_eq!(words, stream(1), "same seed, same stream");
        assert_ne!(words, stream(2));

        // greedy splitting from the end is exact, since no sentence ends with a shorter sentence
        let (mut rest, mut counts) = (&words[..], HashMap::<usize, usize>::new());
        while !rest.is_empty() {
            let cut = [3, 2].into_iter().filter(|length| *length <= rest.len()).find_map(|length| {
                let (before, sentence) = rest.split_at(rest.len() - length);
                paper_templates(sentence).first().map(|template| (before, *template))
            });
            let (before, template) = cut.expect("a sentence of the paper");
            rest = before;
            *counts.entry(template).or_default() += 1;
        }
        assert_eq!(counts.values().sum::<usize>(), SENTENCES);
        for template in 0..16 {
            // expected 2,000, within five standard deviations
            assert!(counts[&template].abs_diff(2000) < 220, "template {template}: {counts:?}");
        }
        // 7 of 16 templates start with a HUM word and 2 end with one: 9/16 · 32,000 words, half of them "man"
        let men = words.iter().filter(|word| **word == "man").count();
        assert!(men.abs_diff(9_000) < 500, "{men}");
    }
}
