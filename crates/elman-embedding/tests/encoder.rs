//! Invariants of any encoder, on every compiled-in device.

use burn::tensor::Device;
use elman_embedding::{
    EmbeddingError,
    encoder::{Encoder, EncoderConfig, EncoderModel, Files, StoredDtype, is_encoder},
};
use elman_recurrence::{CellKind, packed::WeightDtype};
use elman_testkit::{device, devices};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// f32 rounding: CPU kernels, tensors and windows sum the same terms in another order.
const ROUNDING: f32 = 2e-5;
const TEXTS: [&str; 8] = [
    "a cat sat on the mat",
    "",
    "dog",
    "the dog sat on the cat and the mat, all day long",
    "at",
    "🦀🦀 🎉",
    "القط جلس على السجادة",
    "~~~ ^^^",
];

fn tokenizer(folder: &TempDir) -> TextTokenizer {
    let text = folder.path().join("text.txt");
    std::fs::write(&text, TEXTS[..5].join("\n")).unwrap();
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([text]).unwrap()).unwrap()
}

fn config(vocabulary: usize) -> EncoderConfig {
    EncoderConfig { d_embed: 6, d_hidden: 5, d_projection: Some(7), ..EncoderConfig::new(vocabulary) }
}

/// The directory of an untrained encoder.
fn saved(change: impl Fn(EncoderConfig) -> EncoderConfig, weights: StoredDtype) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(&folder);
    let model = change(config(tokenizer.vocab_size())).init(&device()).unwrap();
    model.save(folder.path(), &tokenizer, "a card", weights).unwrap();
    folder
}

fn load(folder: &TempDir, device: &Device) -> Encoder {
    Encoder::load(folder.path(), device).unwrap()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[track_caller]
fn close(label: &str, a: &[f32], b: &[f32]) {
    let worst = worst(a, b);
    assert!(worst <= ROUNDING, "{label}: off by {worst}: {a:?} and {b:?}");
}

#[test]
fn texts_without_known_tokens_have_zero_vectors() {
    let folder = saved(|config| config, StoredDtype::F32);
    for device in devices() {
        let encoder = load(&folder, &device.device);
        // long texts are processed window by window
        let long = "🐙".repeat(20_000);
        let texts = ["🦀🐙", &long, "🐙cat", "cat", &(long.clone() + "cat")];
        let vectors = encoder.encode(&texts).unwrap();
        let known: Vec<bool> = vectors.iter().map(|vector| vector.iter().any(|x| *x != 0.0)).collect();
        assert_eq!(known, [false, false, true, true, true], "{device}");
        let mut streaming = encoder.start();
        streaming.append("🦀🐙").unwrap();
        assert_eq!((streaming.tokens(), streaming.vector().unwrap()), (2, vec![0.0; 7]));
        streaming.append("cat").unwrap();
        close("known token appended", &streaming.vector().unwrap(), &encoder.encode_one("🦀🐙cat").unwrap());
    }
}

#[test]
fn batch_order_streaming_and_device_do_not_change_vectors() {
    for cell in CellKind::ALL {
        for bidirectional in [false, true] {
            let pooling = "last+mean+max+attention";
            let folder = saved(
                |config| EncoderConfig { cell, bidirectional, layers: 2, pooling: pooling.parse().unwrap(), ..config },
                StoredDtype::F32,
            );
            let expected = load(&folder, &Device::default()).encode(&TEXTS).unwrap();
            for device in devices() {
                let encoder = load(&folder, &device.device);
                let label = format!("{device}, {cell}, bidirectional {bidirectional}");
                let reversed: Vec<&str> = TEXTS.iter().rev().copied().collect();
                let reversed = encoder.encode(&reversed).unwrap();
                let streamed: Vec<_> = encoder.encode_iter(TEXTS).collect::<Result<_, _>>().unwrap();
                for (n, text) in TEXTS.iter().enumerate() {
                    let label = format!("{label}, {text:?}");
                    close(&label, &expected[n], &reversed[TEXTS.len() - 1 - n]);
                    close(&label, &expected[n], &streamed[n]);
                    close(&label, &expected[n], &encoder.encode_one(text).unwrap());
                    let mut streaming = encoder.start();
                    let cut = text.char_indices().nth(2).map_or(0, |(at, _)| at);
                    streaming.append(&text[..cut]).unwrap();
                    streaming.append(&text[cut..]).unwrap();
                    assert_eq!(streaming.tokens(), text.chars().count());
                    close(&label, &expected[n], &streaming.vector().unwrap());
                }
            }
            let length = |v: &Vec<f32>| v.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!(expected[1].iter().all(|x| *x == 0.0), "a text without tokens");
            for (n, vector) in expected.iter().enumerate().filter(|(n, _)| *n != 1) {
                assert!((length(vector) - 1.0).abs() < 1e-5, "text {n}: {}", length(vector));
            }
        }
    }
}

#[test]
fn windows_do_not_change_vectors_of_unidirectional_encoders() {
    let text = TEXTS[3].repeat(9);
    for device in devices() {
        for cell in [CellKind::Gru, CellKind::Lstm, CellKind::MinGru] {
            let vector = |window: usize| {
                device.device.seed(4);
                let change = |config| EncoderConfig { cell, window, pooling: "last+mean".parse().unwrap(), ..config };
                load(&saved(change, StoredDtype::F32), &device.device).encode_one(&text).unwrap()
            };
            // the same seed gives the same weights
            let [wide, narrow] = [1000, 7].map(|window| {
                elman_testkit::device().seed(4);
                vector(window)
            });
            close(&format!("{device}, {cell}"), &wide, &narrow);
        }
    }
}

#[test]
fn a_long_text_equals_its_streamed_parts() {
    // longer than the limits of batching and of tokenization in one part
    let folder = saved(|config| config, StoredDtype::F32);
    for device in devices().into_iter().filter(|device| device.name != "wgpu") {
        let encoder = load(&folder, &device.device);
        let long: String = TEXTS[3].repeat(3000);
        assert!(long.len() > 1 << 17);
        let whole = encoder.encode(&["at", &long, "dog"]).unwrap();
        let mut streaming = encoder.start();
        for part in long.as_bytes().chunks(7777) {
            streaming.append(std::str::from_utf8(part).unwrap()).unwrap();
        }
        close(&device.to_string(), &whole[1], &streaming.vector().unwrap());
        close(&device.to_string(), &whole[2], &encoder.encode_one("dog").unwrap());
        let line = "x".repeat(1 << 20);
        assert!(encoder.encode(&[&line]).unwrap()[0].iter().all(|x| x.is_finite()), "a line of a megabyte");
    }
}

#[test]
fn quantized_weights_are_close_to_f32() {
    let device = device();
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(&folder);
    let config = EncoderConfig { d_embed: 40, d_hidden: 40, ..config(tokenizer.vocab_size()) };
    let model = config.init(&device).unwrap();
    let expected = Encoder::new(model.clone(), tokenizer.clone()).unwrap().encode(&TEXTS).unwrap();
    let mut sizes = Vec::new();
    // f16 has ten mantissa bits; int8 rounds by at most half of 1/127 of the row's maximum; through one layer
    for (dtype, allowed) in [(StoredDtype::F32, 0.0), (StoredDtype::F16, 2e-3), (StoredDtype::Int8, 2e-2)] {
        assert_eq!(dtype.to_string().parse::<StoredDtype>().unwrap(), dtype);
        model.save(folder.path(), &tokenizer, "", dtype).unwrap();
        sizes.push(std::fs::metadata(folder.path().join("model.safetensors")).unwrap().len());
        let found = Encoder::load(folder.path(), &device).unwrap().encode(&TEXTS).unwrap();
        let off = expected.iter().zip(&found).map(|(a, b)| worst(a, b)).fold(0.0, f32::max);
        assert!(off <= allowed && (off > 0.0 || dtype == StoredDtype::F32), "{dtype}: {off}");
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    let int8 = Encoder::with_weight_dtype(model, tokenizer, WeightDtype::Int8).unwrap().encode(&TEXTS).unwrap();
    assert!(expected.iter().zip(&int8).all(|(a, b)| worst(a, b) < 3e-2));
}

#[test]
fn files_in_memory_equal_a_directory() {
    let folder = saved(|config| config, StoredDtype::Int8);
    let [config, tokenizer, weights] = ["config.json", "tokenizer.json", "model.safetensors"]
        .map(|name| std::fs::read(folder.path().join(name)).unwrap());
    let files = Files::new("built in", &config, &tokenizer, &weights);
    let built_in = Encoder::from_files(&files, WeightDtype::F32, &device()).unwrap();
    let loaded = load(&folder, &device());
    assert_eq!(built_in.encode(&TEXTS).unwrap(), loaded.encode(&TEXTS).unwrap());
    assert_eq!(built_in.identity(), loaded.identity());
    assert_eq!(loaded.identity().model, elman_lm::fingerprint(folder.path()).unwrap());
    assert!(is_encoder(folder.path()) && !is_encoder(folder.path().join("text.txt")));
    assert_eq!(std::fs::read_to_string(folder.path().join("README.md")).unwrap(), "a card");
}

#[test]
fn damaged_directories_are_errors() {
    let message = |damage: &dyn Fn(&TempDir)| {
        let folder = saved(|config| config, StoredDtype::Int8);
        damage(&folder);
        Encoder::load(folder.path(), &device()).unwrap_err().to_string()
    };
    let write = |name: &'static str, bytes: &'static [u8]| {
        move |folder: &TempDir| std::fs::write(folder.path().join(name), bytes).unwrap()
    };
    let change = |name: &'static str, from: &'static str, to: &'static str| {
        move |folder: &TempDir| {
            let path = folder.path().join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(path, text.replace(from, to)).unwrap();
        }
    };
    let remove = |folder: &TempDir| std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(message(&remove).contains("it has no model.safetensors"));
    assert!(message(&write("config.json", b"{}")).contains("is not an encoder configuration: missing field"));
    assert!(message(&write("tokenizer.json", b"{}")).contains("the tokenizer"));
    assert!(message(&write("model.safetensors", b"x")).contains("is too small"));
    assert!(message(&write("model.safetensors", &[9; 4000])).contains("is not an encoder weights file"));
    let text = message(&change("config.json", "\"d_hidden\": 5", "\"d_hidden\": 9"));
    assert!(text.contains("'network.weight_ih_l0' should be [27, 6] and is [15, 6]"), "{text}");
    let text = message(&change("config.json", "\"d_embed\": 6", "\"d_embed\": 0"));
    assert!(text.ends_with("config.json' cannot be used: d_embed must be 1 to 65536, not 0"), "{text}");
    let text = message(&change("config.json", "\"format_version\": 1", "\"format_version\": 7"));
    assert!(text.contains("format version 7"), "{text}");
    let text = message(&change("config.json", "\"vocabulary\": ", "\"vocabulary\": 99999"));
    assert!(text.contains("too small"), "{text}");
}

#[test]
fn initial_token_vectors_are_checked_and_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.safetensors");
    let write = |values: &[f32], shape: [usize; 2]| {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes).unwrap();
        std::fs::write(&path, safetensors::serialize([("v", view)], None).unwrap()).unwrap();
        let config = EncoderConfig { d_embed: 2, ..config(3) };
        config.init(&device()).unwrap().with_token_vectors(&elman_embedding::VectorFile::open(&path).unwrap())
    };
    let model: EncoderModel = write(&[3.0, 4.0, 9.0, -3.0, 0.0, 9.0, 1.0, -1.0, 9.0], [3, 3]).unwrap();
    let weights = elman_recurrence::StateDict::from_module(&model).data("embedding.weight").unwrap().unwrap();
    let weights: Vec<f32> = weights.iter::<f32>().collect();
    // the root mean square of 3, 4, -3, 0, 1, -1 is √6
    let scale = 0.5 / 6f32.sqrt();
    close("scaled", &weights, &[3.0, 4.0, -3.0, 0.0, 1.0, -1.0].map(|x| x * scale));
    assert!(matches!(write(&[1.0; 4], [2, 2]), Err(EmbeddingError::Count { rows: 2, texts: 3, .. })));
    assert!(matches!(write(&[1.0; 3], [3, 1]), Err(EmbeddingError::Width { expected: 2, found: 1, .. })));
    let nan = [1.0, 1.0, 1.0, f32::NAN, 1.0, 1.0];
    assert!(matches!(write(&nan, [3, 2]), Err(EmbeddingError::NotFinite { row: 2, .. })));
}
