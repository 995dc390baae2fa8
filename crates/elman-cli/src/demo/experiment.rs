//! All parts, one after another.

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

/// Everything that was found.
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

/// How much there was to read.
#[derive(Clone, Debug, Serialize)]
pub struct Sizes {
    pub sentences: usize,
    pub words: usize,
    pub held_out_sentences: usize,
    pub held_out_words: usize,
}

/// Mean cross-entropies on the held-out words, in nats per word, the first word left out.
#[derive(Clone, Debug, Serialize)]
pub struct Losses {
    pub unigram: f64,
    pub bigram: f64,
    pub network: f64,
    pub ideal: f64,
    /// By how many percent the network's loss is above the ideal predictor's.
    pub above_ideal_percent: f64,
}

/// What each model wrote.
#[derive(Clone, Debug, Serialize)]
pub struct Writings {
    /// Words that each wrote.
    pub words: usize,
    pub unigram: Writing,
    pub bigram: Writing,
    pub network: Writing,
}

impl Experiment {
    /// Runs the experiment and tells its story as it goes. Leaves the trained model in `out`.
    pub fn run(
        tokenizer: &TextTokenizer,
        seed: u64,
        out: &Path,
        device: &Device,
        story: &Story,
    ) -> Result<Self, CliError> {
        let begin = Instant::now();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let corpus = Corpus::draw(tokenizer, &mut rng)?;
        let (read, held_out) = (&corpus.training.words, &corpus.held_out.words);
        story.text(read)?;

        let [unigram, bigram] = [0, 1].map(|context| Ngram::count(context, read));
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
            unigram: Writing::of(&unigram.generate(WORDS, &mut rng)),
            bigram: Writing::of(&bigram.generate(WORDS, &mut rng)),
            network: writing::write(&training.model, tokenizer, &read[read.len() - 10..], seed)?,
        };
        story.writing(&writing)?;

        let ids = tokenizer.encode(&super::grammar::words().join(" "))?;
        let averages = average_states(&training.model, &corpus.training.tokens, &ids)?;
        let words = Words::study(&averages, device, &mut rng);
        story.words(&words)?;

        let embedder = embedding::load(out, EmbedderConfig::default(), device)?;
        let search = Sentences::index(&embedder)?.search()?;
        story.search(&search)?;

        let text = Sizes {
            sentences: SENTENCES,
            words: read.len(),
            held_out_sentences: HELD_OUT,
            held_out_words: held_out.len(),
        };
        Ok(Self { seed, text, training, loss, writing, words, search, seconds: begin.elapsed().as_secs_f64() })
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
