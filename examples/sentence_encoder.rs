//! Sentence similarity with the encoder bundled with elman: no training, no download.
//!
//! ```text
//! cargo run --release --example sentence_encoder
//! ```

use elman::{
    embedding::{cosine, encoder::Encoder},
    lm::WeightDtype,
};

const SENTENCES: [&str; 6] = [
    "a man is playing a guitar on the stage",
    "somebody performs music in front of an audience",
    "the company reported a loss in the third quarter",
    "shares fell after the earnings were published",
    "how do I bake bread without yeast?",
    "a recipe for a loaf of soda bread",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = elman::device("auto")?;
    let encoder = Encoder::from_files(&elman_small_en::files(), WeightDtype::F32, &device)?;
    let vectors = encoder.encode(&SENTENCES)?;
    for (sentence, vector) in SENTENCES.iter().zip(&vectors) {
        let others = SENTENCES.iter().zip(&vectors).filter(|(other, _)| *other != sentence);
        let scored = others.map(|(other, vector_of_other)| (cosine(vector, vector_of_other), other));
        let (score, nearest) = scored.max_by(|a, b| a.0.total_cmp(&b.0)).ok_or("no other sentence")?;
        println!("{sentence}\n  {score:.2}  {nearest}");
    }
    // Matryoshka embeddings: a vector truncated to a quarter is nearly as accurate
    let short = cosine(&vectors[0][..96], &vectors[1][..96]);
    println!(
        "\nthe first two sentences: {:.2} with {} dimensions, {short:.2} with the first 96",
        cosine(&vectors[0], &vectors[1]),
        vectors[0].len()
    );
    Ok(())
}
