//! Packed models against the models that they were made of, on every device compiled in.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use elman_lm::{
    GenerateOptions, LanguageModel, LanguageModelConfig, LmError, WeightDtype, evaluate, evaluate_packed, generate,
    generate::Reader,
};
use elman_recurrence::CellKind;
use elman_testkit::{Tolerance, assert_close, device, devices};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Tokens, Unit};

/// The same float32 sums in another order.
const ROUNDING: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-6 };

const VOCABULARY: usize = 19;
const BATCH: usize = 3;
const TIME: usize = 5;

fn config() -> LanguageModelConfig {
    LanguageModelConfig { d_embed: 8, d_hidden: 12, layers: 2, ..LanguageModelConfig::new(VOCABULARY) }
}

/// With weights of its own in the output layer, and with the embedding's after a projection or without one.
fn configs() -> [LanguageModelConfig; 4] {
    [
        config(),
        LanguageModelConfig { tied: true, ..config() },
        LanguageModelConfig { tied: true, d_embed: 12, ..config() },
        LanguageModelConfig { cell: CellKind::Gru, ..config() },
    ]
}

#[test]
fn logits_are_those_of_the_model() {
    for device in devices() {
        for config in configs() {
            let model = config.init(&device.device).unwrap();
            let ids: Vec<u32> = (0..2 * TIME * BATCH).map(|n| (n * 7 % VOCABULARY) as u32).collect();
            let mut session = model.pack(WeightDtype::F32).unwrap().session(BATCH);
            let mut state = None;
            for window in ids.chunks(TIME * BATCH) {
                let (expected, next) = model.forward(model.tokens(window, [BATCH, TIME]).unwrap(), state);
                state = Some(next);
                let turned: Vec<u32> = (0..TIME).flat_map(|t| (0..BATCH).map(move |b| window[b * TIME + t])).collect();
                session.read(&turned).unwrap();
                for t in 0..TIME {
                    let found = TensorData::new(session.logits(t).to_vec(), [BATCH, 1, VOCABULARY]);
                    let found = Tensor::<3>::from_data(found, &device.device);
                    assert_close(&format!("{config:?}"), &found, &expected.clone().narrow(1, t, 1), ROUNDING);
                }
                assert_eq!(session.last_logits().to_vec(), session.logits(TIME - 1));
            }
        }
    }
}

fn text(unit: Unit) -> (TextTokenizer, Tokens) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, "the cat sat on the mat, and the dog saw the cat.\n".repeat(30)).unwrap();
    let corpus = Corpus::open([&path]).unwrap();
    let tokenizer = TokenizerConfig::new(unit).train(&corpus).unwrap();
    let tokens = corpus.encode(&tokenizer).unwrap();
    (tokenizer, tokens)
}

fn model_of(tokenizer: &TextTokenizer) -> LanguageModel {
    let device = &device();
    LanguageModelConfig { d_embed: 8, d_hidden: 64, layers: 2, ..LanguageModelConfig::new(tokenizer.vocab_size()) }
        .init(device)
        .unwrap()
}

#[test]
fn packed_perplexity_equals_the_models_and_quantization_changes_it_little() {
    let (tokenizer, tokens) = text(Unit::Char);
    let model = model_of(&tokenizer);
    for (batch, bptt) in [(1, 35), (4, 7)] {
        let expected = evaluate(&model, &tokens, batch, bptt).unwrap();
        // 1e-5: float32 sums; 1e-2: weights within 1/256 of themselves or of their row's largest
        for (precision, within) in [(WeightDtype::F32, 1e-5), (WeightDtype::Bf16, 1e-2), (WeightDtype::Int8, 1e-2)] {
            let found = evaluate_packed(&model.pack(precision).unwrap(), &tokens, batch, bptt).unwrap();
            assert_eq!(found.tokens, expected.tokens);
            let off = (found.loss - expected.loss).abs();
            assert!(off <= within * expected.loss, "{precision}: {} instead of {}", found.loss, expected.loss);
            assert!(precision == WeightDtype::F32 || off > 0.0, "{precision} is another model");
        }
    }
}

#[test]
fn a_packed_model_writes_as_well() {
    let (tokenizer, _) = text(Unit::Word);
    let model = model_of(&tokenizer);
    let options = GenerateOptions { max_tokens: 20, temperature: 0.0, ..GenerateOptions::default() };
    let write = |reader: Reader| -> Vec<u32> {
        generate(reader, &tokenizer, "the cat", &options).unwrap().map(|piece| piece.unwrap().token).collect()
    };
    let expected = write((&model).into());
    assert_eq!(write((&model.pack(WeightDtype::F32).unwrap()).into()), expected);
    assert_eq!(write((&model.pack(WeightDtype::Int8).unwrap()).into()).len(), expected.len());
}

#[test]
fn quantized_weights_take_less_memory() {
    let (tokenizer, _) = text(Unit::Char);
    let [f32, bf16, int8] = WeightDtype::ALL.map(|p| model_of(&tokenizer).pack(p).unwrap().bytes());
    assert!(f32 > bf16 && bf16 > int8, "{f32} {bf16} {int8}");
}

#[test]
fn mistakes_are_errors() {
    let (tokenizer, _) = text(Unit::Char);
    let model = model_of(&tokenizer).train();
    let mut session = model.pack(WeightDtype::F32).unwrap().session(1);
    let unknown = tokenizer.vocab_size() as u32;
    assert!(matches!(session.read(&[0, unknown]), Err(LmError::Text(_))));
    // nothing was read
    session.read(&[0]).unwrap();
    let alone = session.last_logits().to_vec();
    let mut other = model.pack(WeightDtype::F32).unwrap().session(1);
    other.read(&[0]).unwrap();
    assert_eq!(other.last_logits(), alone);
}
