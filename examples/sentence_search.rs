//! Sentence search: a language model is trained on sentences, its hidden states are their embeddings, and a sentence
//! that it has never seen finds those that are most alike.
//!
//! The sentences are about animals, money and weather, mixed. Nobody tells the network which is which; it learns from
//! predicting the next word that some words stand where others do.
//!
//! ```text
//! cargo run --release --example sentence_search
//! ```

use elman::{
    embedding::{Embedder, EmbedderConfig},
    index::{Entry, MemoryStore, Metric, VectorStore},
    lm::{
        LanguageModelConfig, ModelCard, TrainConfig, train,
        train::{Optimizer, Progress, Schedule},
    },
    text::{Corpus, Tokenizer, TokenizerConfig, Unit},
};

/// Who, does, what: every combination is a sentence.
const TOPICS: [[&str; 3]; 3] = [
    ["the cat|a dog|my horse|the old wolf", "chases|watches|smells|follows", "a mouse|the bird|our goat|that rabbit"],
    [
        "the bank|a company|the minister|our fund",
        "buys|sells|taxes|counts",
        "new shares|old debt|cheap bonds|some gold",
    ],
    [
        "heavy rain|the wind|a storm|thick snow",
        "reaches|leaves|covers|hits",
        "the coast|every valley|the north|both islands",
    ],
];

fn sentences() -> Vec<String> {
    let words = |list: &'static str| list.split('|');
    let of = |[who, does, what]: [&'static str; 3]| {
        let pairs = words(who).flat_map(move |who| words(does).map(move |does| format!("{who} {does}")));
        pairs.flat_map(move |pair| words(what).map(move |what| format!("{pair} {what}"))).collect::<Vec<_>>()
    };
    let topics = TOPICS.map(of);
    // one of each topic in turn
    (0..topics[0].len()).flat_map(|n| topics.each_ref().map(|topic| topic[n * 27 % 64].clone())).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = elman::device("auto")?;
    device.seed(1);
    let (unseen, seen) = (&sentences()[..6], &sentences()[6..]);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sentences.txt");
    std::fs::write(&path, seen.join("\n"))?;

    let corpus = Corpus::open([&path])?;
    let tokenizer = TokenizerConfig::new(Unit::Word).train(&corpus)?;
    let text = corpus.encode(&tokenizer)?;
    let config = LanguageModelConfig::new(tokenizer.vocab_size());
    let config = LanguageModelConfig { d_embed: 32, d_hidden: 64, layers: 1, ..config };
    let (optimizer, schedule) = (Optimizer::Adam, Schedule::Cosine { warmup: 0 });
    let settings = TrainConfig { batch: 4, epochs: 12, optimizer, schedule, learning_rate: 0.01, ..Default::default() };
    let trained = train(config.init(&device)?, &text, None, &settings, &mut Progress::new())?;
    let model = folder.path().join("model");
    trained.model.save_dir(&model, &tokenizer, &ModelCard::new("sentences"))?;

    let embedder = Embedder::load(&model, EmbedderConfig::default(), &device)?;
    let mut store = MemoryStore::new(embedder.d_embedding(), Metric::Cosine)?;
    let entries = seen.iter().zip(embedder.embed(seen)?);
    store.upsert(entries.map(|(sentence, vector)| Entry::new(sentence, vector, sentence)).collect())?;
    for query in unseen {
        println!("\n{query}");
        for hit in store.search(&embedder.embed_one(query)?, 3)? {
            println!("  {:.3}  {}", hit.score, hit.text);
        }
    }
    Ok(())
}
