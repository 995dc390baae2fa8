//! The experiment, from sampling the corpus to search.

use std::{path::Path, time::Instant};

use elman::{
    burn::tensor::Device,
    embedding::EmbedderConfig,
    lm::{CorpusInfo, ModelCard},
    text::{TextTokenizer, Tokenizer, Tokens},
};
use rand::{SeedableRng, rngs::ChaCha12Rng};
use serde::Serialize;

use super::{
    averages::average_states,
    corpus::{Corpus, HELD_OUT, SENTENCES},
    ideal,
    ngram::Ngram,
    search::{Search, Sentences},
    story::Story,
    training::{self, Run},
    words::Words,
    writing::{self, WORDS, Writing},
};
use crate::{embedding, error::CliError};

/// The results of the experiment.
#[derive(Serialize)]
pub struct Experiment {
    pub seed: u64,
    pub text: Sizes,
    pub training: Run,
    pub loss: Losses,
    pub writing: Writings,
    pub words: Words,
    pub search: Search,
    pub seconds: f64,
}

/// Sizes of the corpus.
#[derive(Clone, Debug, Serialize)]
pub struct Sizes {
    pub sentences: usize,
    pub words: usize,
    pub held_out_sentences: usize,
    pub held_out_words: usize,
}

/// Mean cross-entropies on the held-out words except the first, in nats per word.
#[derive(Clone, Debug, Serialize)]
pub struct Losses {
    pub unigram: f64,
    pub bigram: f64,
    pub network: f64,
    pub ideal: f64,
    /// How far the network's loss exceeds the ideal predictor's, in percent.
    pub above_ideal_percent: f64,
}

/// The texts that the models generate.
#[derive(Clone, Debug, Serialize)]
pub struct Writings {
    /// Words per model.
    pub words: usize,
    pub unigram: Writing,
    pub bigram: Writing,
    pub network: Writing,
}

impl Experiment {
    /// Runs the experiment, prints its results as it proceeds, and saves the trained model in `out`.
    pub fn run(
        tokenizer: &TextTokenizer,
        seed: u64,
        out: &Path,
        device: &Device,
        story: &Story,
    ) -> Result<Self, CliError> {
        let start = Instant::now();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let corpus = Corpus::sample(tokenizer, &mut rng)?;
        let (training_words, held_out) = (&corpus.training.words, &corpus.held_out.words);
        story.text(training_words)?;

        let [unigram, bigram] = [0, 1].map(|context| Ngram::count(context, training_words));
        let ideal = ideal::cross_entropy(held_out);
        let training = training::run(&corpus, tokenizer.vocab_size(), ideal, seed, device)?;
        training.model.save_dir(out, tokenizer, &card(&corpus, &training))?;
        let network = training::held_out_loss(&training.model, &corpus)?;
        let loss = Losses {
            unigram: unigram.cross_entropy(held_out),
            bigram: bigram.cross_entropy(held_out),
            network,
            ideal,
            above_ideal_percent: 100.0 * (network / ideal - 1.0),
        };
        story.training(&training, &loss)?;

        let writing = Writings {
            words: WORDS,
            unigram: Writing::from_words(&unigram.generate(WORDS, &mut rng)),
            bigram: Writing::from_words(&bigram.generate(WORDS, &mut rng)),
            network: writing::generate_text(
                &training.model,
                tokenizer,
                &training_words[training_words.len() - 10..],
                seed,
            )?,
        };
        story.writing(&writing)?;

        let ids = tokenizer.encode(&super::grammar::words().join(" "))?;
        let averages = average_states(&training.model, &corpus.training.tokens, &ids)?;
        let words = Words::analyze(&averages, device, &mut rng);
        story.words(&words)?;

        let embedder = embedding::load(out, EmbedderConfig::default(), device)?;
        let search = Sentences::index(&embedder)?.search()?;
        story.search(&search)?;

        let text = Sizes {
            sentences: SENTENCES,
            words: training_words.len(),
            held_out_sentences: HELD_OUT,
            held_out_words: held_out.len(),
        };
        Ok(Self { seed, text, training, loss, writing, words, search, seconds: start.elapsed().as_secs_f64() })
    }
}

fn card(corpus: &Corpus, training: &Run) -> ModelCard {
    let info = |role: &str, sentences: usize, tokens: &Tokens| CorpusInfo {
        role: role.into(),
        name: format!("{sentences} sentences of the grammar of Elman (1990)"),
        tokens: tokens.len(),
        characters: tokens.characters(),
        bytes: tokens.bytes(),
    };
    ModelCard {
        corpus: vec![info("train", SENTENCES, &corpus.training.tokens)],
        training: Some(training.settings.clone()),
        result: training.history.best().cloned(),
        command: Some(format!("elman demo --seed {}", training.settings.seed)),
        ..ModelCard::new("elman-demo")
    }
}
