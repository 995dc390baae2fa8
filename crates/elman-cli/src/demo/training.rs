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

/// A trained network and how it came about.
#[derive(Serialize)]
pub struct Run {
    pub parameters: usize,
    pub epochs: usize,
    pub seconds: f64,
    /// The loss on the held-out words after each epoch, in nats per word.
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

/// Elman's network: one layer of hidden units that see the word and their own state before.
///
/// Half of each word's embedding is dropped in training, so the network cannot rely on the last word alone.
fn network(vocabulary: usize) -> LanguageModelConfig {
    LanguageModelConfig {
        cell: CellKind::Elman,
        d_embed: 32,
        d_hidden: 96,
        layers: 1,
        dropout: Dropouts { embedding: 0.5, ..Dropouts::all(0.0) },
        ..LanguageModelConfig::new(vocabulary)
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

/// Makes the first weights of a hidden state's ingredients larger than usual: those of the words' embeddings, and those
/// that lead from word and state before into the state.
///
/// A prediction needs of the state only what bears on the next word; after "cookie" and after "sleep" that is the same,
/// for both end a sentence. With small first weights the state comes to hold no more. With large ones it holds much of
/// what has been read from the begin, as that of Elman's network did, and training keeps it.
struct Enlarge {
    path: Vec<String>,
}

const EMBEDDING: f64 = 10.0;
const HIDDEN: f64 = 4.0;

impl ModuleMapper for Enlarge {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let within = |name: &str| self.path.iter().any(|part| part == name);
        match D {
            2 if within("embedding") => param.map(|weight| weight * EMBEDDING),
            2 if within("w0") => param.map(|weight| weight * HIDDEN),
            _ => param,
        }
    }
}

/// Trains the network on the training words, drawing the curve. The held-out words are measured after each epoch and
/// decide nothing: the last model is the one that is returned.
pub fn run(corpus: &Corpus, vocabulary: usize, ideal: f64, seed: u64, device: &Device) -> Result<Run, lm::LmError> {
    let settings = settings(seed);
    device.seed(seed);
    let model = network(vocabulary).init(device)?;
    let model = model.map(&mut Enlarge { path: Vec::new() });
    let mut follower = Follower { live: LiveCurve::new(ideal), corpus, parameters: 0, held_out: Vec::new() };
    let trained = lm::train(model, &corpus.training.tokens, None, &settings, &mut follower)?;
    let Follower { live, parameters, held_out, .. } = follower;
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

/// The exact loss on the held-out words: in one column, the state carried.
pub fn held_out_loss(model: &LanguageModel, corpus: &Corpus) -> Result<f64, lm::LmError> {
    const WINDOW: usize = 128;
    Ok(evaluate(model, &corpus.held_out.tokens, 1, WINDOW)?.loss)
}

struct Follower<'a> {
    live: LiveCurve,
    corpus: &'a Corpus,
    parameters: usize,
    held_out: Vec<Point>,
}

impl Observer for Follower<'_> {
    fn observe(&mut self, event: Event<'_>) -> Result<(), lm::LmError> {
        match event {
            Event::Start(start) => self.parameters = start.parameters,
            // without a validation text, the latest model
            Event::Best(model, epoch) => {
                self.held_out.push(Point { step: epoch.step, loss: held_out_loss(model, self.corpus)? });
            }
            _ => {}
        }
        self.live.observe(event)
    }
}
