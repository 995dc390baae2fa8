//! Packed models against the original models, on every device compiled in.

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

/// The same f32 sums in another order.
const ROUNDING: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-6 };

const VOCABULARY: usize = 19;
const BATCH: usize = 3;
const TIME: usize = 5;

fn config() -> LanguageModelConfig {
    LanguageModelConfig { d_embed: 8, d_hidden: 12, layers: 2, ..LanguageModelConfig::new(VOCABULARY) }
}

/// With an untied output layer, and with a tied one with and without a projection.
fn configs() -> [LanguageModelConfig; 4] {
    [
        config(),
        LanguageModelConfig { tied: true, ..config() },
        LanguageModelConfig { tied: true, d_embed: 12, ..config() },
        LanguageModelConfig { cell: CellKind::Gru, ..config() },
    ]
}

#[test]
fn logits_match_the_model() {
    for device in devices() {
        for config in configs() {
            let model = config.init(&device.device).unwrap();
            let ids: Vec<u32> = (0..2 * TIME * BATCH).map(|n| (n * 7 % VOCABULARY) as u32).collect();
            let mut session = model.pack(WeightDtype::F32).unwrap().session(BATCH);
            let mut state = None;
            for window in ids.chunks(TIME * BATCH) {
                let (expected, next) = model.forward(model.tokens(window, [BATCH, TIME]).unwrap(), state);
                state = Some(next);
                let transposed: Vec<u32> =
                    (0..TIME).flat_map(|t| (0..BATCH).map(move |b| window[b * TIME + t])).collect();
                session.read(&transposed).unwrap();
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

fn model_for(tokenizer: &TextTokenizer) -> LanguageModel {
    let device = &device();
    LanguageModelConfig { d_embed: 8, d_hidden: 64, layers: 2, ..LanguageModelConfig::new(tokenizer.vocab_size()) }
        .init(device)
        .unwrap()
}

#[test]
fn packed_perplexity_matches_the_model_and_quantization_changes_it_little() {
    let (tokenizer, tokens) = text(Unit::Char);
    let model = model_for(&tokenizer);
    for (batch, bptt) in [(1, 35), (4, 7)] {
        let expected = evaluate(&model, &tokens, batch, bptt).unwrap();
        // 1e-5: f32 sums; 1e-2: weights within 1/256 of themselves or of the maximum of their row
        for (dtype, within) in [(WeightDtype::F32, 1e-5), (WeightDtype::Bf16, 1e-2), (WeightDtype::Int8, 1e-2)] {
            let found = evaluate_packed(&model.pack(dtype).unwrap(), &tokens, batch, bptt).unwrap();
            assert_eq!(found.tokens, expected.tokens);
            let error = (found.loss - expected.loss).abs();
            assert!(error <= within * expected.loss, "{dtype}: {} instead of {}", found.loss, expected.loss);
            assert!(dtype == WeightDtype::F32 || error > 0.0, "{dtype} has no quantization error");
        }
    }
}

#[test]
fn a_packed_model_generates_the_same_text() {
    let (tokenizer, _) = text(Unit::Word);
    let model = model_for(&tokenizer);
    let options = GenerateOptions { max_tokens: 20, temperature: 0.0, ..GenerateOptions::default() };
    let tokens = |reader: Reader| -> Vec<u32> {
        generate(reader, &tokenizer, "the cat", &options).unwrap().map(|piece| piece.unwrap().token).collect()
    };
    let expected = tokens((&model).into());
    assert_eq!(tokens((&model.pack(WeightDtype::F32).unwrap()).into()), expected);
    assert_eq!(tokens((&model.pack(WeightDtype::Int8).unwrap()).into()).len(), expected.len());
}

#[test]
fn quantized_weights_need_less_memory() {
    let (tokenizer, _) = text(Unit::Char);
    let [f32, bf16, int8] = WeightDtype::ALL.map(|p| model_for(&tokenizer).pack(p).unwrap().bytes());
    assert!(f32 > bf16 && bf16 > int8, "{f32} {bf16} {int8}");
}

#[test]
fn unknown_tokens_are_errors_and_leave_the_state() {
    let (tokenizer, _) = text(Unit::Char);
    let model = model_for(&tokenizer).train();
    let mut session = model.pack(WeightDtype::F32).unwrap().session(1);
    let unknown = tokenizer.vocab_size() as u32;
    assert!(matches!(session.read(&[0, unknown]), Err(LmError::Text(_))));
    // the state is unchanged
    session.read(&[0]).unwrap();
    let alone = session.last_logits().to_vec();
    let mut other = model.pack(WeightDtype::F32).unwrap().session(1);
    other.read(&[0]).unwrap();
    assert_eq!(other.last_logits(), alone);
}
