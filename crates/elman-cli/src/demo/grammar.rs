//! The grammar of Elman (1990), tables 3 and 4: sixteen templates over twelve classes of words.

use rand::{Rng, seq::IndexedRandom};

/// A word of the grammar.
pub type Word = &'static str;

/// A class of words. `see` is both transitive and a verb of perception, `break` is both a verb of movement and of
/// destruction.
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

/// Every template, all equally likely.
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
    /// Every class, nouns first, animate ones before the others.
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

    /// The words of the class, all equally likely.
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

    /// Whether the word is one of the class.
    pub fn contains(self, word: &str) -> bool {
        self.words().contains(&word)
    }

    /// The classes that a word is in: one, for some verbs two.
    pub fn of(word: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|class| class.contains(word)).collect()
    }
}

/// Every word once, in the order of [`Class::ALL`].
pub fn words() -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for word in Class::ALL.into_iter().flat_map(Class::words) {
        if !words.contains(word) {
            words.push(word);
        }
    }
    words
}

/// Whether the words fit the classes, one to one.
pub fn fits(words: &[&str], classes: &[Class]) -> bool {
    words.len() == classes.len() && words.iter().zip(classes).all(|(word, class)| class.contains(word))
}

/// The name of the template of a sentence, such as `HUM EAT FOOD`; `None` for what is no sentence. No sentence has two.
pub fn template(sentence: &[&str]) -> Option<String> {
    let template = TEMPLATES.into_iter().find(|template| fits(sentence, template))?;
    Some(name(template))
}

/// The name of a template, such as `HUM EAT FOOD`.
pub fn name(template: &[Class]) -> String {
    let short = |class: &Class| class.name().trim_start_matches("NOUN-").trim_start_matches("VERB-");
    template.iter().map(short).collect::<Vec<_>>().join(" ")
}

/// Every sentence that there is, template by template.
pub fn sentences() -> Vec<Vec<Word>> {
    TEMPLATES.into_iter().flat_map(sentences_of).collect()
}

fn sentences_of(template: &[Class]) -> Vec<Vec<Word>> {
    let Some((last, before)) = template.split_last() else { return vec![Vec::new()] };
    let longer = |begin: Vec<Word>| last.words().iter().map(move |word| [&begin[..], &[*word]].concat());
    sentences_of(before).into_iter().flat_map(longer).collect()
}

/// Draws sentences, one after another without a mark between them: a template, then a word for each of its classes.
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

    /// Which of the paper's templates a sentence is of.
    fn of_paper(sentence: &[&str]) -> Vec<usize> {
        let fits = |template: &str| {
            let places: Vec<&str> = template.split(' ').collect();
            let word_fits = |(place, word): (&&str, &&str)| place.split(',').any(|allowed| allowed == *word);
            places.len() == sentence.len() && places.iter().zip(sentence).all(word_fits)
        };
        (0..PAPER.len()).filter(|n| fits(PAPER[*n])).collect()
    }

    #[test]
    fn every_sentence_is_one_of_the_paper_and_of_one_template_only() {
        let all = sentences();
        assert_eq!(all.len(), 92);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 92);
        let templates: Vec<usize> = all.iter().flat_map(|sentence| of_paper(sentence)).collect();
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
        assert_eq!(words.iter().filter(|word| Class::of(word)[0].is_noun()).count(), 12);
        assert_eq!(words.iter().filter(|word| Class::of(word)[0].is_animate()).count(), 6);
        let double: Vec<&&str> = words.iter().filter(|word| Class::of(word).len() == 2).collect();
        assert_eq!(double, [&"see", &"break"]);
        assert_eq!(Class::of("nothing"), []);
    }

    #[test]
    fn a_stream_is_of_grammatical_sentences_all_templates_and_words_equally_likely() {
        const SENTENCES: usize = 32_000;
        let stream = |seed| stream(SENTENCES, &mut ChaCha12Rng::seed_from_u64(seed));
        let words = stream(1);
        assert_eq!(words, stream(1), "one seed, one stream");
        assert_ne!(words, stream(2));

        // a stream of whole sentences can be cut greedily from its end: no sentence's end is a shorter sentence
        let (mut rest, mut counts) = (&words[..], HashMap::<usize, usize>::new());
        while !rest.is_empty() {
            let cut = [3, 2].into_iter().filter(|length| *length <= rest.len()).find_map(|length| {
                let (before, sentence) = rest.split_at(rest.len() - length);
                of_paper(sentence).first().map(|template| (before, *template))
            });
            let (before, template) = cut.expect("a sentence of the paper");
            rest = before;
            *counts.entry(template).or_default() += 1;
        }
        assert_eq!(counts.values().sum::<usize>(), SENTENCES);
        for template in 0..16 {
            // 2,000 expected; five standard deviations
            assert!(counts[&template].abs_diff(2000) < 220, "template {template}: {counts:?}");
        }
        // a HUM word begins 7 of 16 templates and ends 2: 9/16 · 32,000 sentences, half of them each
        let men = words.iter().filter(|word| **word == "man").count();
        assert!(men.abs_diff(9_000) < 500, "{men}");
    }
}
