//! What the experiment tells its reader, section by section.

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

/// Columns of text.
const WIDTH: usize = 78;

/// Prints the sections, or nothing.
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

    /// The text that the network reads.
    pub fn text(&self, words: &[Word]) -> Result<(), CliError> {
        let lines = [
            format!("10,000 sentences are drawn from {} templates over 12 classes of words,", TEMPLATES.len()),
            "such as NOUN-HUM VERB-EAT NOUN-FOOD: \"woman eat cookie\". They follow each".into(),
            format!("other without a mark between them. The network sees {} words,", HumanCount(words.len() as u64)),
            "no class and no template:".into(),
            String::new(),
            wrap(&words[..26].join(" "), "  ") + " …",
        ];
        self.section("1. A text", &lines)
    }

    /// How well the network has learned to predict.
    pub fn training(&self, run: &Run, loss: &Losses) -> Result<(), CliError> {
        let row = |name: &str, loss: f64, note: &str| format!("  {name:<36}{loss:.3}   {note}");
        let lines = [
            format!(
                "A simple recurrent network, {} parameters, has read it {} times",
                HumanCount(run.parameters as u64),
                run.epochs
            ),
            format!("in {:.0} s. Its loss in training; the dashes are the ideal predictor's:", run.seconds),
            String::new(),
            run.curve.draw(),
            String::new(),
            "The loss on 1,000 new sentences, in nats per word (less is better):".into(),
            String::new(),
            row("how frequent each word is (unigram)", loss.unigram, ""),
            row("which word follows which (bigram)", loss.bigram, ""),
            row("the network", loss.network, &format!("{:.1} % above the ideal", loss.above_ideal_percent)),
            row("the ideal predictor", loss.ideal, "it knows the grammar"),
        ];
        self.section("2. A network learns to predict the next word", &lines)
    }

    /// What the models write.
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
                "Each model writes {} words, drawn by its own probabilities. How many of",
                HumanCount(writing.words as u64)
            ),
            "its sentences are grammatical, and how it begins; a word that fits in no".into(),
            "sentence is in [brackets] and counts as a wrong sentence:".into(),
            String::new(),
            row("unigram", &writing.unigram),
            row("bigram", &writing.bigram),
            row("network", &writing.network),
        ];
        self.section("3. It writes", &lines)
    }

    /// What it has learned about words.
    pub fn words(&self, words: &Words) -> Result<(), CliError> {
        let row = |name: &str, purity: super::purity::Purity| {
            format!("  {name:<43}purity {:.2}, by chance {:.2}", purity.purity, purity.shuffled)
        };
        let lines = [
            "The network's hidden state after a word, averaged over all places where the".into(),
            "word occurs. Words with like states are joined, the most alike at the right:".into(),
            String::new(),
            words.draw(40),
            "Nobody told it what a noun is. Where the tree first parts:".into(),
            String::new(),
            row("all words, into nouns and verbs", words.noun_verb),
            row("the nouns, into animate and inanimate ones", words.animate_inanimate),
        ];
        self.section("4. What it has learned about words", &lines)
    }

    /// What search finds.
    pub fn search(&self, search: &Search) -> Result<(), CliError> {
        let found = search
            .nearest
            .iter()
            .map(|found| format!("  {:.3}  {:<22} {}", found.score, found.sentence, found.template));
        let lines = [
            format!("The mean of the hidden states is a vector for a sentence. Of the {} different", search.sentences),
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
        self.section(
            "5. It finds sentences that are alike",
            &lines.into_iter().chain(found).chain(share).collect::<Vec<_>>(),
        )
    }

    /// Where everything is.
    pub fn end(&self, experiment: &Experiment, out: &Path, report: &Path) -> Result<(), CliError> {
        let dir = out.display();
        let lines = [
            format!("The report, with a map of the words, is {}.", report.display()),
            format!("The model is in {dir}, the sentences are in {dir}/sentences.txt."),
            String::new(),
            format!("  elman generate --model {dir} --prompt \"woman\" --temperature 1"),
            format!("  elman index {dir}/sentences.txt --model {dir} --store {dir}/store"),
            format!("  elman search \"dragon eat man\" --store {dir}/store -k 5"),
            String::new(),
            format!("All of it took {:.0} s.", experiment.seconds),
        ];
        self.section("6. To go on", &lines)
    }
}

/// Breaks a text into lines that begin with `indent`.
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
