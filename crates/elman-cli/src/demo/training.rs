//! The network and its training.

use elman::{
    burn::{
        module::{Module, ModuleMapper, Param},
        tensor::{Device, Tensor},
    },
    lm::{
        self, Dropouts, LanguageModel, LanguageModelConfig, TrainConfig, evaluate,
        train::{Event, History, Observer, Optimizer, Schedule},
    },
    recurrence::CellKind,
};
use serde::Serialize;

use super::{
    corpus::Corpus,
    curve::{Curve, LiveCurve},
};

/// A trained network and its training run.
#[derive(Serialize)]
pub struct Run {
    pub parameters: usize,
    pub epochs: usize,
    pub seconds: f64,
    /// The held-out loss after each epoch, in nats per word.
    pub held_out: Vec<Point>,
    #[serde(skip)]
    pub model: LanguageModel,
    #[serde(skip)]
    pub settings: TrainConfig,
    #[serde(skip)]
    pub history: History,
    #[serde(skip)]
    pub curve: Curve,
}

/// A loss after a step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    pub step: usize,
    pub loss: f64,
}

/// Elman's network: one simple recurrent layer.
///
/// Half of each word's embedding is dropped in training, so that the network cannot rely on the last word alone.
fn network(vocab_size: usize) -> LanguageModelConfig {
    LanguageModelConfig {
        cell: CellKind::Elman,
        d_embed: 32,
        d_hidden: 96,
        layers: 1,
        dropout: Dropouts { embedding: 0.5, ..Dropouts::all(0.0) },
        ..LanguageModelConfig::new(vocab_size)
    }
}

fn settings(seed: u64) -> TrainConfig {
    TrainConfig {
        batch: 32,
        bptt: 10,
        epochs: 15,
        optimizer: Optimizer::Adam,
        learning_rate: 0.004,
        schedule: Schedule::Cosine { warmup: 0 },
        clip: Some(1.0),
        seed,
        log_every: 10,
        ..TrainConfig::default()
    }
}

/// Scales up the initial weights that determine the hidden state: word embeddings, input weights and recurrent weights.
///
/// Prediction needs only the part of the state that bears on the next word, which is equal after "cookie" and after
/// "sleep", since both end a sentence. With small initial weights, the state learns to hold no more than that. With
/// large ones, it holds much of the previous words from the start, as in Elman's network, and keeps it during training.
struct ScaleWeights {
    path: Vec<String>,
}

const EMBEDDING_SCALE: f64 = 10.0;
const HIDDEN_SCALE: f64 = 4.0;

impl ModuleMapper for ScaleWeights {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let within = |name: &str| self.path.iter().any(|part| part == name);
        match D {
            2 if within("embedding") => param.map(|weight| weight * EMBEDDING_SCALE),
            2 if within("w0") => param.map(|weight| weight * HIDDEN_SCALE),
            _ => param,
        }
    }
}

/// Trains the network and draws the loss curve. The held-out loss is computed after each epoch for the report only: the
/// returned model is that of the last epoch.
pub fn run(corpus: &Corpus, vocab_size: usize, ideal: f64, seed: u64, device: &Device) -> Result<Run, lm::LmError> {
    let settings = settings(seed);
    device.seed(seed);
    let model = network(vocab_size).init(device)?;
    let model = model.map(&mut ScaleWeights { path: Vec::new() });
    let mut recorder = Recorder { live: LiveCurve::new(ideal), corpus, parameters: 0, held_out: Vec::new() };
    let trained = lm::train(model, &corpus.training.tokens, None, &settings, &mut recorder)?;
    let Recorder { live, parameters, held_out, .. } = recorder;
    let seconds = trained.history.epochs.last().map_or(0.0, |epoch| epoch.seconds);
    Ok(Run {
        parameters,
        epochs: settings.epochs,
        seconds,
        held_out,
        model: trained.model,
        settings,
        history: trained.history,
        curve: live.into_curve(),
    })
}

/// The exact loss on the held-out words: one sequence, with the state carried over.
pub fn held_out_loss(model: &LanguageModel, corpus: &Corpus) -> Result<f64, lm::LmError> {
    const WINDOW: usize = 128;
    Ok(evaluate(model, &corpus.held_out.tokens, 1, WINDOW)?.loss)
}

/// Records the held-out losses and draws the curve.
struct Recorder<'a> {
    live: LiveCurve,
    corpus: &'a Corpus,
    parameters: usize,
    held_out: Vec<Point>,
}

impl Observer for Recorder<'_> {
    fn observe(&mut self, event: Event<'_>) -> Result<(), lm::LmError> {
        match event {
            Event::Start(start) => self.parameters = start.parameters,
            // without a validation text, this is the latest model
            Event::Best(model, epoch) => {
                self.held_out.push(Point { step: epoch.step, loss: held_out_loss(model, self.corpus)? });
            }
            _ => {}
        }
        self.live.observe(event)
    }
}
