//! Hidden states as embeddings: similar sentences have near vectors.

use elman::{
    embedding::Embedder,
    index::{Entry, Hit, MemoryStore, Metric, VectorStore},
};
use serde::Serialize;

use super::grammar::{self, Word};
use crate::error::CliError;

/// All sentences of the grammar with their embeddings, in a store.
pub struct Sentences {
    store: MemoryStore,
    sentences: Vec<Vec<Word>>,
}

/// The example query.
const QUERY: &str = "woman smash plate";

/// The results of the example query, and of all sentences as queries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Search {
    pub sentences: usize,
    pub query: String,
    pub template: String,
    pub nearest: Vec<Found>,
    pub same_template: SameTemplate,
}

/// A hit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    pub sentence: String,
    pub template: String,
    /// The cosine of its embedding and the query's.
    pub score: f32,
}

/// How often the nearest other sentence has the same template.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SameTemplate {
    /// The share of all sentences.
    pub share: f64,
    /// The expected share if the other sentence is random.
    pub chance: f64,
}

impl Sentences {
    /// Embeds and stores every sentence.
    pub fn index(embedder: &Embedder) -> Result<Self, CliError> {
        let sentences = grammar::sentences();
        let texts: Vec<String> = sentences.iter().map(|sentence| sentence.join(" ")).collect();
        let mut store = MemoryStore::new(embedder.d_embedding(), Metric::Cosine)?;
        let entry = |(text, vector): (&String, Vec<f32>)| Entry::new(text, vector, text);
        store.upsert(texts.iter().zip(embedder.embed(&texts)?).map(entry).collect())?;
        Ok(Self { store, sentences })
    }

    /// Searches for the example query, and evaluates all sentences as queries.
    pub fn search(&self) -> Result<Search, CliError> {
        Ok(Search {
            sentences: self.sentences.len(),
            query: QUERY.into(),
            template: template(QUERY),
            nearest: self.nearest(QUERY, 5)?,
            same_template: self.same_template()?,
        })
    }

    /// The sentences nearest to a stored one, without itself, best first.
    fn nearest(&self, sentence: &str, count: usize) -> Result<Vec<Found>, CliError> {
        let Some(entry) = self.store.get(sentence)? else { return Ok(Vec::new()) };
        let hits = self.store.search(&entry.vector, count + 1)?;
        let others = hits.into_iter().filter(|hit| hit.id != sentence).take(count);
        Ok(others.map(|Hit { text, score, .. }| Found { template: template(&text), sentence: text, score }).collect())
    }

    /// Compares the template of each sentence with that of its nearest neighbor.
    fn same_template(&self) -> Result<SameTemplate, CliError> {
        let templates: Vec<String> = self.sentences.iter().map(|sentence| template(&sentence.join(" "))).collect();
        let (mut same, mut pairs) = (0, 0);
        for (sentence, own) in self.sentences.iter().zip(&templates) {
            let nearest = self.nearest(&sentence.join(" "), 1)?;
            same += usize::from(nearest.first().is_some_and(|found| found.template == *own));
            pairs += templates.iter().filter(|other| *other == own).count() - 1;
        }
        let count = self.sentences.len() as f64;
        Ok(SameTemplate { share: same as f64 / count, chance: pairs as f64 / (count * (count - 1.0)) })
    }
}

/// The name of the template of a sentence of the grammar.
fn template(sentence: &str) -> String {
    grammar::template(&sentence.split(' ').collect::<Vec<_>>()).unwrap_or_default()
}

/// All sentences, one per line, for `elman index`.
pub fn sentences_file() -> String {
    grammar::sentences().into_iter().map(|sentence| sentence.join(" ") + "\n").collect()
}
