//! Clusters and a map of the words, by their average hidden states.

use elman::burn::tensor::Device;
use kodama::Dendrogram;
use rand::Rng;
use serde::Serialize;

use super::{
    cluster::{average_linkage, centered, top_two},
    dendrogram,
    grammar::{self, Class, Word},
    pca::{self, Map},
    purity::Purity,
};

/// The words, clustered and mapped by their average hidden states.
#[derive(Serialize)]
pub struct Words {
    pub words: Vec<Word>,
    /// The top two clusters of all words, compared with nouns and verbs.
    pub noun_verb: Purity,
    /// The top two clusters of the nouns, compared with animate and inanimate ones.
    pub animate_inanimate: Purity,
    pub map: Map,
    #[serde(skip)]
    pub tree: Dendrogram<f64>,
}

impl Words {
    /// Analyzes the average states of [`grammar::words`].
    ///
    /// Clustering uses the cosine of the centered states. The mean state carries no information about a word; the
    /// direction of the difference from it depends on the class of the word, its length more on how much the word says
    /// about the next one.
    pub fn analyze(averages: &[Vec<f64>], device: &Device, rng: &mut impl Rng) -> Self {
        let words = grammar::words();
        let is = |property: fn(Class) -> bool| words.iter().map(move |word| property(Class::for_word(word)[0]));
        let nouns: Vec<bool> = is(Class::is_noun).collect();
        let states = centered(averages);
        let tree = average_linkage(&states);
        let noun_verb = Purity::measure(&top_two(&tree), &nouns, rng);

        let is_noun = |n: &usize| nouns[*n];
        let noun_states: Vec<Vec<f64>> = (0..words.len()).filter(is_noun).map(|n| states[n].clone()).collect();
        let animate: Vec<bool> = is(Class::is_animate).zip(&nouns).filter(|(_, noun)| **noun).map(|(a, _)| a).collect();
        let animate_inanimate = Purity::measure(&top_two(&average_linkage(&noun_states)), &animate, rng);
        Self { noun_verb, animate_inanimate, map: pca::map(averages, device), tree, words }
    }

    /// The tree as text, each word with its classes.
    pub fn draw(&self, width: usize) -> String {
        let label = |word: &Word| {
            let classes: Vec<&str> = Class::for_word(word).into_iter().map(Class::name).collect();
            format!("{word:<8} {}", classes.join(", "))
        };
        let labels: Vec<String> = self.words.iter().map(label).collect();
        dendrogram::draw(&self.tree, &labels, width)
    }
}
