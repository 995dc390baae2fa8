//! Invariants of embeddings from any language model, on every compiled-in device.

use burn::tensor::{Device, Tensor};
use elman_embedding::{Embedder, EmbedderConfig, EmbeddingError, cosine};
use elman_lm::{LanguageModelConfig, ModelCard};
use elman_recurrence::{CellKind, Sequence};
use elman_testkit::{device, devices};
use elman_text::{Corpus, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// f32 rounding: batches and windows sum the same terms in another order.
const ROUNDING: f32 = 2e-5;
const TEXTS: [&str; 6] =
    ["a cat sat on the mat", "", "dog", "the dog sat on the cat and the mat, all day long", "at", "the cat"];

/// The directory of an untrained model, with weights large enough that texts differ.
fn model(cell: CellKind, device: &Device) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, TEXTS.join("\n")).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Char).train(&Corpus::open([text]).unwrap()).unwrap();
    let config = LanguageModelConfig {
        cell,
        d_embed: 6,
        d_hidden: 5,
        layers: 2,
        init_range: 1.0,
        ..LanguageModelConfig::new(tokenizer.vocab_size())
    };
    config.init(device).unwrap().save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
    folder
}

fn close(label: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{label}");
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= ROUNDING, "{label}: off by {worst}: {a:?} and {b:?}");
}

fn config(pooling: &str) -> EmbedderConfig {
    EmbedderConfig { pooling: pooling.parse().unwrap(), ..EmbedderConfig::default() }
}

#[test]
fn batching_windows_and_streaming_do_not_change_vectors() {
    for device in devices() {
        for cell in CellKind::ALL {
            let folder = model(cell, &device.device);
            let whole = Embedder::load(folder.path(), config("last+mean+max"), &device.device).unwrap();
            let cut = EmbedderConfig { batch: 2, window: 7, ..config("last+mean+max") };
            let cut = Embedder::load(folder.path(), cut, &device.device).unwrap();
            let vectors = whole.embed(&TEXTS).unwrap();
            assert_eq!(vectors.len(), TEXTS.len());
            let streamed: Vec<_> = cut.embed_iter(TEXTS).collect::<Result<_, _>>().unwrap();
            for ((text, vector), streamed) in TEXTS.iter().zip(&vectors).zip(&streamed) {
                let label = format!("{device}, {cell}, {text:?}");
                assert_eq!(vector.len(), 3 * 5);
                close(&label, vector, streamed);
                close(&label, vector, &whole.embed_one(text).unwrap());
                // characters can be split anywhere
                let mut streaming = cut.start();
                let (head, tail) = text.split_at(text.len() / 3);
                streaming.append(head).unwrap();
                streaming.append(tail).unwrap();
                assert_eq!(streaming.tokens(), text.len());
                close(&label, vector, &streaming.vector().unwrap());
            }
            assert!(vectors[1].iter().all(|x| *x == 0.0), "a text without tokens");
            assert!(cosine(&vectors[0], &vectors[2]) < 0.999, "{cell}: texts differ");
        }
    }
}

#[test]
fn texts_without_known_tokens_have_zero_vectors() {
    let folder = model(CellKind::ALL[0], &device());
    let embedder = Embedder::load(folder.path(), config("mean+last"), &device()).unwrap();
    let vectors = embedder.embed(&["🦀🐙", "🐙", "🐙 cat", "cat"]).unwrap();
    let known: Vec<bool> = vectors.iter().map(|vector| vector.iter().any(|x| *x != 0.0)).collect();
    assert_eq!(known, [false, false, true, true]);
    let mut streaming = embedder.start();
    streaming.append("🦀🐙").unwrap();
    assert_eq!((streaming.tokens(), streaming.vector().unwrap()), (2, vec![0.0; 10]));
    streaming.append(" cat").unwrap();
    close("known token appended", &streaming.vector().unwrap(), &embedder.embed(&["🦀🐙 cat"]).unwrap()[0]);
}

#[test]
fn pooling_matches_its_formula() {
    for device in devices() {
        let folder = model(CellKind::Lstm, &device.device);
        for layer in [1, 2] {
            let config = EmbedderConfig { layer: Some(layer), normalize: false, ..config("last+mean+max") };
            let embedder = Embedder::load(folder.path(), config, &device.device).unwrap();
            let text = TEXTS[3];
            let ids = embedder.tokenizer().encode(text).unwrap();
            let tokens = embedder.model().tokens(&ids, [1, ids.len()]).unwrap();
            let states = embedder.model().hidden(tokens, Sequence::new().with_all_states()).all_states.unwrap();
            let hidden: Tensor<3> = states[layer - 1].hidden();
            let values: Vec<f32> = hidden.into_data().iter::<f32>().collect();
            let columns: Vec<Vec<f32>> = (0..5).map(|u| values.iter().skip(u).step_by(5).copied().collect()).collect();
            let pool = |f: &dyn Fn(&[f32]) -> f32| columns.iter().map(|c| f(c)).collect::<Vec<f32>>();
            let last = pool(&|c| c[c.len() - 1]);
            let mean = pool(&|c| c.iter().sum::<f32>() / c.len() as f32);
            let max = pool(&|c| c.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let vector = embedder.embed(&["a", text, "the cat"]).unwrap().remove(1);
            close(&format!("{device}, layer {layer}"), &vector, &[last, mean, max].concat());
        }
    }
}

#[test]
fn vectors_have_length_one_if_normalized() {
    let device = device();
    let folder = model(CellKind::Gru, &device);
    let norm = |normalize| {
        let config = EmbedderConfig { normalize, ..EmbedderConfig::default() };
        let vector = Embedder::load(folder.path(), config, &device).unwrap().embed_one(TEXTS[0]).unwrap();
        vector.iter().map(|x| x * x).sum::<f32>().sqrt()
    };
    assert!((norm(true) - 1.0).abs() < 1e-6);
    assert!((norm(false) - 1.0).abs() > 1e-3);
}

#[test]
fn fingerprints_differ_between_models_and_settings() {
    let device = device();
    let folder = model(CellKind::Gru, &device);
    let fingerprint = |folder: &TempDir, config| Embedder::load(folder.path(), config, &device).unwrap().identity();
    let base = fingerprint(&folder, EmbedderConfig::default());
    assert_eq!(base, fingerprint(&folder, EmbedderConfig { batch: 1, window: 1, ..EmbedderConfig::default() }));
    assert_ne!(base, fingerprint(&folder, config("max")));
    assert_ne!(base, fingerprint(&model(CellKind::Rnn, &device), EmbedderConfig::default()));
    let json = serde_json::to_string(&base).unwrap();
    assert_eq!(serde_json::from_str::<elman_embedding::ModelFingerprint>(&json).unwrap(), base);
}

#[test]
fn invalid_settings_are_errors() {
    let device = device();
    let folder = model(CellKind::Gru, &device);
    let error = |config| Embedder::load(folder.path(), config, &device).unwrap_err().to_string();
    for layer in [0, 3] {
        let text = error(EmbedderConfig { layer: Some(layer), ..EmbedderConfig::default() });
        assert_eq!(text, format!("layer {layer} does not exist: the model has 2 layers, counted from 1"));
    }
    assert_eq!(error(EmbedderConfig { batch: 0, ..EmbedderConfig::default() }), "batch must be at least 1, not 0");
    assert_eq!(error(EmbedderConfig { window: 0, ..EmbedderConfig::default() }), "window must be at least 1, not 0");
    let missing = Embedder::load(folder.path().join("no"), EmbedderConfig::default(), &device);
    assert!(matches!(missing, Err(EmbeddingError::Model(_))));
}
