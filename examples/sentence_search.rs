//! Semantic search with a network that was trained only to predict the next word.
//!
//! The sentences have four topics, which are never named. Before training, a query finds sentences with the same words.
//! After training, it also finds sentences of its topic without a common word, where chance is 3 of 36: the hidden
//! state predicts which words can follow, and these are similar within a topic.
//!
//! ```text
//! cargo run --release --example sentence_search
//! ```

use elman::{
    embedding::{Embedder, EmbedderConfig},
    index::{Entry, Hit, MemoryStore, Metric, VectorStore},
    lm::{LanguageModelConfig, ModelCard, TrainConfig, train, train::Optimizer, train::Schedule},
    recurrence::CellKind,
    text::{Corpus, Tokenizer, TokenizerConfig, Unit},
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

const TOPICS: [[[&str; 3]; 3]; 4] = [
    [["cook", "baker", "waiter"], ["peels", "fries", "tastes"], ["potatoes", "onions", "mushrooms"]],
    [["sailor", "captain", "fisherman"], ["steers", "repairs", "paints"], ["boat", "ship", "ferry"]],
    [["pianist", "singer", "violinist"], ["practices", "performs", "rehearses"], ["sonata", "waltz", "song"]],
    [["gardener", "farmer", "neighbor"], ["plants", "waters", "prunes"], ["roses", "vines", "trees"]],
];

/// All sentences of all topics, with the index of the topic.
fn sentences() -> impl Iterator<Item = (usize, String)> {
    (0..TOPICS.len() * 27).map(|n| {
        let [who, does, what] = TOPICS[n / 27];
        (n / 27, format!("the {} {} the {}", who[n / 9 % 3], does[n / 3 % 3], what[n % 3]))
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = elman::device("auto")?;
    device.seed(1);
    let mut sentences: Vec<_> = sentences().collect();
    sentences.shuffle(&mut StdRng::seed_from_u64(1));
    let queries = sentences.split_off(72); // 36 sentences, neither in the training data nor in the index
    let lines: Vec<&str> = sentences.iter().map(|s| s.1.as_str()).collect();

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sentences.txt");
    std::fs::write(&path, lines.join("\n"))?;
    let corpus = Corpus::open([&path])?;
    let tokenizer = TokenizerConfig::new(Unit::Word).train(&corpus)?;
    let config = LanguageModelConfig::new(tokenizer.vocab_size());
    let config = LanguageModelConfig { cell: CellKind::Elman, d_embed: 16, d_hidden: 32, layers: 1, ..config };
    let (optimizer, schedule) = (Optimizer::Adam, Schedule::Constant);
    let settings = TrainConfig { optimizer, schedule, learning_rate: 0.01, ..TrainConfig::default() };
    let settings = TrainConfig { batch: 4, bptt: 6, epochs: 30, ..settings };
    let untrained = config.init(&device)?;
    let trained = train(untrained.clone(), &corpus.encode(&tokenizer)?, None, &settings, &mut ())?.model;

    for (name, model) in [("untrained", untrained), ("trained", trained)] {
        let model_dir = folder.path().join(name);
        model.save_dir(&model_dir, &tokenizer, &ModelCard::new(name))?;
        let embedder = Embedder::load(&model_dir, EmbedderConfig::default(), &device)?;
        let mut store = MemoryStore::new(embedder.d_embedding(), Metric::Cosine)?;
        let vectors = embedder.embed(&lines)?.into_iter().enumerate();
        store.upsert(vectors.map(|(n, vector)| Entry::new(n.to_string(), vector, lines[n])).collect())?;

        let mut on_topic = 0;
        for (n, (topic, query)) in queries.iter().enumerate() {
            let hits = store.search(&embedder.embed_one(query)?, lines.len())?;
            let shares_no_word = |hit: &&Hit| query.split(' ').all(|word| word == "the" || !hit.text.contains(word));
            let best = hits.iter().find(shares_no_word).ok_or("every sentence shares a word with the query")?;
            on_topic += usize::from(sentences[best.id.parse::<usize>()?].0 == *topic);
            if n == 0 {
                println!("{name}: {query}?");
                hits.iter().take(4).for_each(|hit| println!("  {:.3}  {}", hit.score, hit.text));
                println!("  {:.3}  {}   <- the best hit without a common word", best.score, best.text);
            }
        }
        println!("  that hit has the query's topic for {on_topic} of {} queries\n", queries.len());
    }
    Ok(())
}
