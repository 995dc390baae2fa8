//! On the CPU a text's vector is bitwise independent of the batch.

use elman_embedding::{
    Embedder, EmbedderConfig,
    encoder::{Encoder, EncoderConfig},
};
use elman_lm::{LanguageModelConfig, ModelCard};
use elman_recurrence::{CellKind, packed::WeightDtype};
use elman_testkit::device;
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// Texts of up to 60 tokens, most lengths several times, so that batches and their blocks end at various rows.
fn texts() -> Vec<String> {
    let words = ["cat", "dog", "sat on", "ran", "the mat", "a house of many doors", "at"];
    (0..75).map(|n| (0..1 + n % 5).map(|k| words[(n * 3 + k) % 7]).collect::<Vec<_>>().join(" ")).collect()
}

fn tokenizer(folder: &TempDir) -> TextTokenizer {
    let path = folder.path().join("text.txt");
    std::fs::write(&path, texts().join("\n")).unwrap();
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([path]).unwrap()).unwrap()
}

fn bits(vectors: &[Vec<f32>]) -> Vec<Vec<u32>> {
    vectors.iter().map(|vector| vector.iter().map(|x| x.to_bits()).collect()).collect()
}

/// Compares vectors of single texts with those in batches of several sizes and orders.
fn check(label: &str, embed: impl Fn(&[String]) -> Vec<Vec<f32>>) {
    let texts = texts();
    let alone: Vec<Vec<u32>> = texts.iter().flat_map(|text| bits(&embed(std::slice::from_ref(text)))).collect();
    for count in [2, 3, 5, 8, 33, 75] {
        let order: Vec<usize> = (0..count).map(|n| (n * 31 + count) % texts.len()).collect();
        let texts_of_batch: Vec<String> = order.iter().map(|n| texts[*n].clone()).collect();
        for (found, n) in bits(&embed(&texts_of_batch)).into_iter().zip(order) {
            assert!(found == alone[n], "{label}: {:?} among {count}", texts[n]);
        }
    }
}

#[test]
fn encoder_vectors_do_not_depend_on_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(&folder);
    for cell in CellKind::ALL {
        for (bidirectional, dtype) in
            [(false, WeightDtype::F32), (true, WeightDtype::F32), (false, WeightDtype::Bf16), (true, WeightDtype::Int8)]
        {
            let config = EncoderConfig {
                cell,
                bidirectional,
                d_embed: 19,
                d_hidden: 37,
                layers: 2,
                pooling: "last+mean+max+attention".parse().unwrap(),
                d_projection: Some(21),
                ..EncoderConfig::new(tokenizer.vocab_size())
            };
            let model = config.init(&device()).unwrap();
            let encoder = Encoder::with_weight_dtype(model, tokenizer.clone(), dtype).unwrap();
            let label = format!("{cell}, bidirectional {bidirectional}, {dtype}");
            check(&label, |texts| encoder.encode(texts).unwrap());
            let one = bits(&[encoder.encode_one(&texts()[5]).unwrap()]);
            assert!(one == bits(&encoder.encode(&texts()).unwrap()[5..6]), "{label}: one");
        }
    }
}

#[test]
fn language_model_vectors_do_not_depend_on_batch_and_window() {
    for cell in CellKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = tokenizer(&folder);
        let config = LanguageModelConfig {
            cell,
            d_embed: 19,
            d_hidden: 37,
            layers: 2,
            init_range: 0.5,
            ..LanguageModelConfig::new(tokenizer.vocab_size())
        };
        config.init(&device()).unwrap().save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
        let mut expected = None;
        for (batch, window) in [(32, 128), (1, 7), (5, 16)] {
            let config =
                EmbedderConfig { batch, window, pooling: "last+mean+max".parse().unwrap(), ..Default::default() };
            let embedder = Embedder::load(folder.path(), config, &device()).unwrap();
            check(&format!("{cell}, batch {batch}, window {window}"), |texts| embedder.embed(texts).unwrap());
            let found = bits(&embedder.embed(&texts()).unwrap());
            assert!(*expected.get_or_insert(found.clone()) == found, "{cell}, batch {batch}, window {window}");
            assert!(bits(&[embedder.embed_one(&texts()[5]).unwrap()])[0] == found[5], "{cell}: one");
        }
    }
}
