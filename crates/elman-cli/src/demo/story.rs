//! Prints the results of the experiment, section by section.

use std::path::Path;

use indicatif::HumanCount;

use super::{
    experiment::{Experiment, Losses, Writings},
    grammar::{TEMPLATES, Word},
    search::Search,
    training::Run,
    words::Words,
    writing::Writing,
};
use crate::{error::CliError, output};

/// Maximum line length.
const WIDTH: usize = 78;

/// Prints the sections, unless silent.
pub struct Story {
    silent: bool,
}

impl Story {
    pub fn new(silent: bool) -> Self {
        Self { silent }
    }

    fn section(&self, heading: &str, lines: &[String]) -> Result<(), CliError> {
        if self.silent {
            return Ok(());
        }
        output::line(format!("\n{heading}\n\n{}", lines.join("\n")))
    }

    /// The training text.
    pub fn text(&self, words: &[Word]) -> Result<(), CliError> {
        let lines = [
            format!("10,000 sentences, sampled from {} templates of 12 word classes, such as", TEMPLATES.len()),
            "NOUN-HUM VERB-EAT NOUN-FOOD: \"woman eat cookie\". The network sees only the".into(),
            format!("{} words, without classes, templates or marks between sentences:", HumanCount(words.len() as u64)),
            String::new(),
            wrap(&words[..26].join(" "), "  ") + " …",
        ];
        self.section("1. The text", &lines)
    }

    /// The training run, and the losses.
    pub fn training(&self, run: &Run, loss: &Losses) -> Result<(), CliError> {
        let row = |name: &str, loss: f64, note: &str| format!("  {name:<36}{loss:.3}   {note}");
        let lines = [
            format!(
                "A simple recurrent network with {} parameters, trained for {} epochs",
                HumanCount(run.parameters as u64),
                run.epochs
            ),
            format!("in {:.0} s. Training loss; dashes are the loss of the ideal predictor:", run.seconds),
            String::new(),
            run.curve.draw(),
            String::new(),
            "Loss on 1,000 held-out sentences, in nats per word (lower is better):".into(),
            String::new(),
            row("unigram model", loss.unigram, ""),
            row("bigram model", loss.bigram, ""),
            row("network", loss.network, &format!("{:.1} % above the ideal", loss.above_ideal_percent)),
            row("ideal predictor", loss.ideal, "knows the grammar"),
        ];
        self.section("2. Next-word prediction", &lines)
    }

    /// The generated texts.
    pub fn writing(&self, writing: &Writings) -> Result<(), CliError> {
        let row = |name: &str, Writing { grammaticality, sample }: &Writing| {
            format!(
                "  {name:<10}{:5.1} %   {}",
                100.0 * grammaticality.share,
                wrap(sample, "                     ").trim_start()
            )
        };
        let lines = [
            format!(
                "{} words sampled from each model: the share of grammatical sentences, and",
                HumanCount(writing.words as u64)
            ),
            "the first words. A word that fits no sentence is in [brackets] and counts as".into(),
            "an ungrammatical sentence:".into(),
            String::new(),
            row("unigram", &writing.unigram),
            row("bigram", &writing.bigram),
            row("network", &writing.network),
        ];
        self.section("3. Generated text", &lines)
    }

    /// The word classes.
    pub fn words(&self, words: &Words) -> Result<(), CliError> {
        let row = |name: &str, purity: super::purity::Purity| {
            format!("  {name:<43}{:.2}, by chance {:.2}", purity.purity, purity.shuffled)
        };
        let lines = [
            "The hidden state after each word, averaged over all of its occurrences, in a".into(),
            "hierarchical clustering:".into(),
            String::new(),
            words.draw(40),
            "The network has seen no labels. Purity of the first split of the tree:".into(),
            String::new(),
            row("all words, into nouns and verbs", words.noun_verb),
            row("the nouns, into animate and inanimate ones", words.animate_inanimate),
        ];
        self.section("4. Word classes", &lines)
    }

    /// The search results.
    pub fn search(&self, search: &Search) -> Result<(), CliError> {
        let found = search
            .nearest
            .iter()
            .map(|found| format!("  {:.3}  {:<22} {}", found.score, found.sentence, found.template));
        let lines = [
            format!("The mean of the hidden states is the embedding of a sentence. Of {} different", search.sentences),
            format!("sentences, these are nearest to \"{}\" ({}):", search.query, search.template),
            String::new(),
        ];
        let share = [
            String::new(),
            format!(
                "The nearest other sentence has the same template in {:.0} % of all cases;",
                100.0 * search.same_template.share
            ),
            format!("by chance in {:.0} %.", 100.0 * search.same_template.chance),
        ];
        self.section("5. Similar sentences", &lines.into_iter().chain(found).chain(share).collect::<Vec<_>>())
    }

    /// The output files, and commands to try.
    pub fn end(&self, experiment: &Experiment, out: &Path, report: &Path) -> Result<(), CliError> {
        let dir = out.display();
        let lines = [
            format!("Report, with a map of the words: {}", report.display()),
            format!("Model: {dir}, sentences: {dir}/sentences.txt"),
            String::new(),
            format!("  elman generate --model {dir} --prompt \"woman\" --temperature 1"),
            format!("  elman index {dir}/sentences.txt --model {dir} --store {dir}/store"),
            format!("  elman search \"dragon eat man\" --store {dir}/store -k 5"),
            String::new(),
            format!("Finished in {:.0} s.", experiment.seconds),
        ];
        self.section("6. Next steps", &lines)
    }
}

/// Wraps a text into lines that start with `indent`.
fn wrap(text: &str, indent: &str) -> String {
    let mut lines = vec![String::from(indent)];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line");
        if line.len() + word.len() + 1 > WIDTH && line.len() > indent.len() {
            lines.push(format!("{indent}{word}"));
        } else {
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
