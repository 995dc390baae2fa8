//! What the network has learned about words.

use elman::burn::tensor::Device;
use kodama::Dendrogram;
use rand::Rng;
use serde::Serialize;

use super::{
    cluster::{average_linkage, centred, top_two},
    dendrogram,
    grammar::{self, Class, Word},
    pca::{self, Map},
    purity::Purity,
};

/// The words, clustered and mapped by the network's averaged states.
#[derive(Serialize)]
pub struct Words {
    pub words: Vec<Word>,
    /// The top two clusters of all words, by noun and verb.
    pub noun_verb: Purity,
    /// The top two clusters of the nouns, by animate and inanimate.
    pub animate_inanimate: Purity,
    pub map: Map,
    #[serde(skip)]
    pub tree: Dendrogram<f64>,
}

impl Words {
    /// Studies the averaged states of [`grammar::words`].
    ///
    /// Clusters go by the cosine between states as seen from the mean of all words. What all words' states have in
    /// common tells nothing about any of them; which way a word moves the state from there tells what kind of word it
    /// is, while how far it does depends more on how much it says about the next word.
    pub fn study(averages: &[Vec<f64>], device: &Device, rng: &mut impl Rng) -> Self {
        let words = grammar::words();
        let is = |property: fn(Class) -> bool| words.iter().map(move |word| property(Class::of(word)[0]));
        let nouns: Vec<bool> = is(Class::is_noun).collect();
        let states = centred(averages);
        let tree = average_linkage(&states);
        let noun_verb = Purity::measure(&top_two(&tree), &nouns, rng);

        let of_nouns = |n: &usize| nouns[*n];
        let noun_states: Vec<Vec<f64>> = (0..words.len()).filter(of_nouns).map(|n| states[n].clone()).collect();
        let animate: Vec<bool> = is(Class::is_animate).zip(&nouns).filter(|(_, noun)| **noun).map(|(a, _)| a).collect();
        let animate_inanimate = Purity::measure(&top_two(&average_linkage(&noun_states)), &animate, rng);
        Self { noun_verb, animate_inanimate, map: pca::map(averages, device), tree, words }
    }

    /// The tree as text, each word with its classes.
    pub fn draw(&self, width: usize) -> String {
        let label = |word: &Word| {
            let classes: Vec<&str> = Class::of(word).into_iter().map(Class::name).collect();
            format!("{word:<8} {}", classes.join(", "))
        };
        let labels: Vec<String> = self.words.iter().map(label).collect();
        dendrogram::draw(&self.tree, &labels, width)
    }
}
