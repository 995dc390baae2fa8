//! Training, evaluating and generating on tiny texts.

use elman_layers::device::max_tensor_bytes;
use elman_lm::{
    Dropouts, Evaluation, GenerateOptions, LanguageModel, LanguageModelConfig, LmError, ModelCard, TrainConfig,
    evaluate, generate, train,
    train::{Event, Observer, Optimizer, SaveBest, Schedule},
};
use elman_recurrence::CellKind;
use elman_testkit::{device, devices};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Tokens, Unit};

fn corpus(text: &str) -> (TextTokenizer, Tokens) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, text).unwrap();
    let corpus = Corpus::open([&path]).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Char).train(&corpus).unwrap();
    let tokens = corpus.encode(&tokenizer).unwrap();
    (tokenizer, tokens)
}

fn small(vocabulary: usize) -> LanguageModelConfig {
    LanguageModelConfig { d_embed: 12, d_hidden: 24, layers: 1, ..LanguageModelConfig::new(vocabulary) }
}

fn settings() -> TrainConfig {
    TrainConfig {
        batch: 4,
        bptt: 10,
        epochs: 4,
        optimizer: Optimizer::Adam,
        learning_rate: 0.02,
        schedule: Schedule::Constant,
        clip: Some(1.0),
        log_every: 5,
        ..TrainConfig::default()
    }
}

const RHYME: &str = "one fish two fish red fish blue fish. ";

/// A model that has memorized the rhyme. Other tests of this process use the same random number generator, and not all
/// initial weights lead there.
fn trained() -> (LanguageModel, TextTokenizer) {
    let (tokenizer, text) = corpus(&RHYME.repeat(30));
    let twice = tokenizer.encode(&RHYME.repeat(2)).unwrap();
    let twice = Tokens::from_ids(&twice, twice.len(), twice.len());
    // "fish" is followed by four different words: the gradient must reach the word before it
    let settings = TrainConfig { bptt: 20, epochs: 25, ..settings() };
    let config = LanguageModelConfig { d_hidden: 48, dropout: Dropouts::all(0.0), ..small(tokenizer.vocab_size()) };
    let attempt = |_| {
        let model = config.init(&device()).unwrap();
        let model = train(model, &text, None, &settings, &mut ()).unwrap().model;
        // less than ln 2 in total: every token is the most likely one
        let Evaluation { loss, tokens, .. } = evaluate(&model, &twice, 1, 20).unwrap();
        (loss * (tokens as f64) < 2_f64.ln()).then_some(model)
    };
    ((0..10).find_map(attempt).expect("none of ten models has learned the rhyme"), tokenizer)
}

#[test]
fn the_loss_falls_with_every_cell_on_every_device() {
    let (tokenizer, text) = corpus(&RHYME.repeat(12));
    for device in devices() {
        for cell in CellKind::ALL {
            let config = LanguageModelConfig { cell, tied: true, ..small(tokenizer.vocab_size()) };
            let model = config.init(&device.device).unwrap();
            let trained = train(model, &text, Some(&text), &settings(), &mut ()).unwrap();
            let losses: Vec<f64> = trained.history.epochs.iter().map(|e| e.valid.as_ref().unwrap().loss).collect();
            let uniform = (tokenizer.vocab_size() as f64).ln();
            assert!(losses[3] < losses[0] && losses[3] < 0.9 * uniform, "{device} {cell}: {losses:?}, {uniform}");
        }
    }
}

#[test]
fn a_uniform_model_has_the_vocabulary_as_perplexity() {
    let (tokenizer, text) = corpus(&"äbc ".repeat(25));
    for device in devices() {
        let config = LanguageModelConfig { init_range: 0.0, ..small(tokenizer.vocab_size()) };
        let model = config.init(&device.device).unwrap();
        let Evaluation { tokens, perplexity, bits_per_token, bits_per_character, bits_per_byte, .. } =
            evaluate(&model, &text, 2, 7).unwrap();
        let vocabulary = tokenizer.vocab_size() as f64;
        assert_eq!(tokens, 2 * (text.len() / 2 - 1));
        assert!((perplexity - vocabulary).abs() < 1e-4, "{device}: {perplexity}");
        assert!((bits_per_token - vocabulary.log2()).abs() < 1e-6, "{device}: {bits_per_token}");
        // a token is a character; four characters are five bytes
        assert!((bits_per_character - bits_per_token).abs() < 1e-9);
        assert!((bits_per_byte - 0.8 * bits_per_token).abs() < 1e-9);
    }
}

#[test]
fn evaluation_does_not_depend_on_the_window_length() {
    let (tokenizer, text) = corpus(&RHYME.repeat(4));
    let model = small(tokenizer.vocab_size()).init(&device()).unwrap();
    let [whole, cut] = [1000, 7].map(|bptt| evaluate(&model, &text, 2, bptt).unwrap().loss);
    assert!((whole - cut).abs() < 1e-5, "{whole} {cut}");
}

#[test]
fn a_learned_text_is_continued() {
    let (model, tokenizer) = trained();
    let greedy = GenerateOptions { max_tokens: 20, temperature: 0.0, ..GenerateOptions::default() };
    let text = |options: &GenerateOptions| -> String {
        let pieces = generate(&model, &tokenizer, &format!("{RHYME}one fish two"), options).unwrap();
        pieces.map(|piece| piece.unwrap().text).collect()
    };
    assert_eq!(text(&greedy), " fish red fish blue ");
    // a sharp distribution equals greedy decoding; a stop text ends the output and is not part of it
    let sharp = GenerateOptions { temperature: 1e-3, top_k: 5, top_p: 0.9, min_p: 0.1, ..greedy.clone() };
    assert_eq!(text(&sharp), text(&greedy));
    assert_eq!(text(&GenerateOptions { stop: vec!["sh b".into(), "blue".into()], ..greedy.clone() }), " fish red fi");
    // the start of a stop text that never completes is output at the end
    assert_eq!(text(&GenerateOptions { max_tokens: 4, stop: vec!["ish green".into()], ..greedy.clone() }), " fis");
    assert_eq!(text(&GenerateOptions { max_tokens: 0, ..greedy }), "");
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let (model, tokenizer) = trained();
    let text = |seed| -> String {
        let options = GenerateOptions { max_tokens: 60, temperature: 3.0, seed, ..GenerateOptions::default() };
        generate(&model, &tokenizer, "", &options).unwrap().map(|piece| piece.unwrap().text).collect()
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn a_space_separates_the_prompt_and_the_next_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, "one two three four\n".repeat(3)).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Word).train(&Corpus::open([&path]).unwrap()).unwrap();
    let model = small(tokenizer.vocab_size()).init(&device()).unwrap();
    let first = |prompt| {
        // high enough to sample any word of an untrained model
        let options = GenerateOptions { max_tokens: 1, temperature: 100.0, ..GenerateOptions::default() };
        let piece = generate(&model, &tokenizer, prompt, &options).unwrap().next().unwrap().unwrap();
        (tokenizer.id_to_token(piece.token).unwrap(), piece.text)
    };
    for (prompt, space) in [("one two", " "), ("one two\n", ""), ("", "")] {
        let (token, text) = first(prompt);
        let expected = if token == elman_text::END_OF_LINE { "\n".into() } else { format!("{space}{token}") };
        assert_eq!(text, expected, "after {prompt:?}");
    }
}

/// Records the learning rates and the best epochs.
#[derive(Default)]
struct Recorder {
    rates: Vec<f64>,
    best: Vec<usize>,
    steps: usize,
}

impl Observer for Recorder {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Step(_) => self.steps += 1,
            Event::Epoch(epoch, _) => self.rates.push(epoch.learning_rate),
            Event::Best(_, epoch) => self.best.push(epoch.epoch),
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn a_plateau_divides_the_learning_rate_and_the_best_model_is_returned() {
    let (tokenizer, text) = corpus(&RHYME.repeat(12));
    let (_, other) = corpus(&RHYME.chars().rev().collect::<String>().repeat(4));
    let model = small(tokenizer.vocab_size()).init(&device()).unwrap();
    let config = TrainConfig { epochs: 6, schedule: Schedule::Plateau { factor: 4.0 }, ..settings() };
    let (mut recorder, folder) = (Recorder::default(), tempfile::tempdir().unwrap());
    let mut save = SaveBest::new(folder.path(), &tokenizer, ModelCard::new("best"));
    let mut both = |event: Event<'_>| recorder.observe(event).and_then(|()| save.observe(event));
    // overfitting to the text makes the model worse at the other
    let trained = train(model, &text, Some(&other), &config, &mut both).unwrap();
    let losses: Vec<f64> = trained.history.epochs.iter().map(|e| e.valid.as_ref().unwrap().loss).collect();
    let (mut best, mut rate) = (f64::INFINITY, 0.02);
    for (epoch, loss) in losses.iter().enumerate() {
        assert_eq!(recorder.rates[epoch], rate, "epoch {epoch} of {losses:?}");
        assert_eq!(recorder.best.contains(&(epoch + 1)), *loss < best);
        if *loss < best { best = *loss } else { rate /= 4.0 }
    }
    assert!(rate < 0.02, "no plateau in {losses:?}");
    assert_eq!(recorder.steps, trained.history.epochs[5].step);
    // ten columns, as in validation
    let returned = evaluate(&trained.model, &other, 10, 10).unwrap().loss;
    assert_eq!(returned, best);
    let (saved, _) = LanguageModel::load_dir(folder.path(), &device()).unwrap();
    assert_eq!(evaluate(&saved, &other, 10, 10).unwrap().loss, best);
    let card = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(card.contains(&format!("| validation loss (nats per token) | {best:.4} |")), "{card}");
    assert_eq!(trained.history.best().unwrap().epoch, *recorder.best.last().unwrap());
}

#[test]
fn errors_name_the_mistake() {
    let (tokenizer, text) = corpus(RHYME);
    let device = &device();
    let model = || small(tokenizer.vocab_size()).init(device).unwrap();
    let message = |config| train(model(), &text, None, &config, &mut ()).unwrap_err().to_string();
    assert_eq!(
        message(TrainConfig { schedule: Schedule::default(), ..settings() }),
        "the plateau schedule needs a validation loss: pass a validation text, or choose constant or cosine"
    );
    let too_large = message(TrainConfig { batch: 100, ..settings() });
    assert!(too_large.contains("100") && too_large.contains("38"), "{too_large}");
    let negative = message(TrainConfig { learning_rate: -1.0, ..settings() });
    assert_eq!(negative, "the learning rate must be a number above 0, not -1");

    let few = small(3).init(device).unwrap();
    let error = evaluate(&few, &text, 1, 10).unwrap_err().to_string();
    assert!(error.starts_with("token ") && error.ends_with("the vocabulary has 3 tokens, 0 to 2"), "{error}");

    for (config, expected) in [
        (LanguageModelConfig::new(0), "the vocabulary must be 1 to 2147483647 tokens, not 0"),
        (LanguageModelConfig { d_embed: 0, ..small(3) }, "d_embed must be 1 to 65536, not 0"),
        (LanguageModelConfig { d_hidden: 1 << 40, ..small(3) }, "d_hidden must be 1 to 65536, not 1099511627776"),
        (LanguageModelConfig { layers: 0, ..small(3) }, "the number of layers must be 1 to 256, not 0"),
        (
            LanguageModelConfig { dropout: Dropouts::all(1.0), ..small(3) },
            "the embedding's dropout must be at least 0 and below 1, not 1",
        ),
        (
            LanguageModelConfig { dropout: Dropouts { output: f64::NAN, ..Dropouts::all(0.0) }, ..small(3) },
            "the output's dropout must be at least 0 and below 1, not NaN",
        ),
        (LanguageModelConfig { init_range: f64::INFINITY, ..small(3) }, "init_range must be 0 to 1000, not inf"),
    ] {
        assert_eq!(config.init(device).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_training() {
    let (tokenizer, text) = corpus(&RHYME.repeat(4));
    let model = small(tokenizer.vocab_size()).init(&device()).unwrap();
    // overflows f32: after the first step all weights are NaN or infinite, whatever the initial weights were
    let config = TrainConfig { optimizer: Optimizer::Sgd, learning_rate: 1e50, clip: None, log_every: 3, ..settings() };
    let error = train(model, &text, None, &config, &mut ()).unwrap_err();
    let LmError::Diverged { step, .. } = error else { panic!("{error}") };
    assert!((2..=4).contains(&step), "{error}");
    assert!(error.to_string().starts_with(&format!("training diverged at step {step}: loss ")), "{error}");
}

#[test]
fn windows_that_are_too_large_for_the_device_are_rejected() {
    let (tokenizer, text) = corpus(&RHYME.repeat(10_000));
    for device in devices() {
        let Some(limit) = max_tensor_bytes(&device.device) else { continue };
        let (batch, bptt) = (4, 90_000);
        // a unit of an LSTM has four gates
        let d_hidden = (limit / (4 * 4 * batch * bptt)) as usize + 1;
        let model = LanguageModelConfig { d_hidden, ..small(tokenizer.vocab_size()) }.init(&device.device).unwrap();
        let config = TrainConfig { batch: batch as usize, bptt: bptt as usize, ..settings() };
        for error in [
            train(model.clone(), &text, None, &config, &mut ()).unwrap_err(),
            evaluate(&model, &text, config.batch, config.bptt).unwrap_err(),
            model.tokens(&vec![0; (batch * bptt) as usize], [config.batch, config.bptt]).unwrap_err(),
        ] {
            let LmError::TooLarge { rows: 4, steps: 90_000, needed, limit: found, fitting: 3 } = error else {
                panic!("{error}")
            };
            assert!(needed > limit && found == limit, "{error}");
        }
    }
}
