use burn::{module::Module, tensor::Tensor};
use elman_text::{BpttBatches, Tokens};
use serde::{Deserialize, Serialize};

use crate::{error::LmError, model::LanguageModel, packed::PackedModel};

/// How well a model predicts a text.
///
/// The loss is the mean over all tokens that are predicted. The first token of each column has nothing before it and is
/// not predicted; nor are the few tokens at the end that do not fill all columns. The figures per character and per
/// byte scale the loss by the whole text's tokens per character and per byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Mean cross-entropy, nats per token.
    pub loss: f64,
    /// `exp(loss)`
    #[serde(deserialize_with = "crate::setting::null_is_infinite")]
    pub perplexity: f64,
    /// `loss / ln 2`
    pub bits_per_token: f64,
    /// `bits_per_token · tokens / characters`
    pub bits_per_character: f64,
    /// `bits_per_token · tokens / bytes`
    pub bits_per_byte: f64,
}

/// Columns in which a validation text is read.
const VALIDATION_BATCH: usize = 10;

/// Device tensors that may wait before they are read.
const WAITING: usize = 64;

/// Measures how well `model` predicts `text`, read in `batch` columns, `bptt` tokens at a time, the state carried.
///
/// One column gives the exact figure; more are faster, and each gives away what its first tokens could have known.
///
/// # Errors
/// [`LmError::Text`] if the text is too short for the batch or has a token that the model does not, [`LmError::TooLarge`],
/// [`LmError::NotFinite`].
pub fn evaluate(model: &LanguageModel, text: &Tokens, batch: usize, bptt: usize) -> Result<Evaluation, LmError> {
    let evaluation = evaluate_while(model, text, batch, bptt, || true)?;
    evaluation.expect("nothing stopped it").finite()
}

/// [`evaluate`] of a packed model: what its precision costs.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_packed(model: &PackedModel, text: &Tokens, batch: usize, bptt: usize) -> Result<Evaluation, LmError> {
    let windows = BpttBatches::new(text, batch, bptt)?;
    let mut session = model.session(batch);
    let (mut sum, mut steps) = (0.0, 0);
    for window in windows {
        let at = |t: usize, row: usize| row * window.steps + t;
        let turned = |n: usize| window.inputs[at(n / batch, n % batch)];
        let inputs: Vec<u32> = (0..window.steps * batch).map(turned).collect();
        session.read(&inputs)?;
        for t in 0..window.steps {
            let logits = session.logits(t).chunks_exact(model.vocabulary());
            let losses = logits.enumerate().map(|(row, logits)| cross_entropy(logits, window.targets[at(t, row)]));
            sum += losses.sum::<f64>() / batch as f64;
        }
        steps += window.steps;
    }
    Evaluation::new(sum, steps, batch, text)?.finite()
}

/// `−ln softmax(logits)[target]`
fn cross_entropy(logits: &[f32], target: u32) -> f64 {
    let most = logits.iter().fold(f32::NEG_INFINITY, |most, logit| most.max(*logit));
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    sum.ln() + f64::from(most) - f64::from(logits[target as usize])
}

/// [`evaluate`] as long as `go_on` says so before each window; `None` if it was stopped.
fn evaluate_while(
    model: &LanguageModel,
    text: &Tokens,
    batch: usize,
    bptt: usize,
    go_on: impl Fn() -> bool,
) -> Result<Option<Evaluation>, LmError> {
    let model = model.valid();
    let windows = BpttBatches::new(text, batch, bptt)?;
    let mut state = None;
    let (mut sum, mut steps, mut rows) = (0.0, 0, 0);
    let mut waiting = Waiting::default();
    for batch in windows {
        if !go_on() {
            return Ok(None);
        }
        let shape = [batch.rows, batch.steps];
        let inputs = model.tokens(&batch.inputs, shape)?;
        let targets = model.tokens(&batch.targets, shape)?;
        let (loss, next) = model.loss(inputs, targets, state);
        state = Some(next);
        waiting.losses.push(loss);
        waiting.steps.push(batch.steps);
        steps += batch.steps;
        rows = batch.rows;
        if waiting.losses.len() == WAITING {
            sum += waiting.sum();
        }
    }
    sum += waiting.sum();
    Evaluation::new(sum, steps, rows, text).map(Some)
}

impl Evaluation {
    /// Of the sum of the mean losses of so many time steps in `rows` columns.
    fn new(sum: f64, steps: usize, rows: usize, text: &Tokens) -> Result<Self, LmError> {
        let loss = sum / steps as f64;
        if !loss.is_finite() {
            return Err(LmError::NotFinite);
        }
        let bits_per_token = loss / std::f64::consts::LN_2;
        let bits = bits_per_token * text.len() as f64;
        Ok(Self {
            tokens: steps * rows,
            loss,
            perplexity: loss.exp(),
            bits_per_token,
            bits_per_character: bits / text.characters() as f64,
            bits_per_byte: bits / text.bytes() as f64,
        })
    }

    /// Refuses a perplexity beyond all numbers: a loss of 710 is no model's whose weights are as they were trained. Training may
    /// come back from it.
    fn finite(self) -> Result<Self, LmError> {
        if self.perplexity.is_finite() { Ok(self) } else { Err(LmError::NotFinite) }
    }
}

/// [`evaluate`] as it is done after each epoch: in ten columns, or fewer where the text is shorter than that. `None` if
/// `go_on` stopped it.
pub(crate) fn validate(
    model: &LanguageModel,
    text: &Tokens,
    bptt: usize,
    go_on: impl Fn() -> bool,
) -> Result<Option<Evaluation>, LmError> {
    evaluate_while(model, text, VALIDATION_BATCH.min(text.len() / 2).max(1), bptt, go_on)
}

/// Losses that are still on the device, with the time steps that each is the mean of.
#[derive(Default)]
struct Waiting {
    losses: Vec<Tensor<1>>,
    steps: Vec<usize>,
}

impl Waiting {
    /// The sum of loss × time steps; nothing waits afterwards.
    fn sum(&mut self) -> f64 {
        let steps = std::mem::take(&mut self.steps);
        let losses = read(std::mem::take(&mut self.losses));
        losses.into_iter().zip(steps).map(|(loss, steps)| f64::from(loss) * steps as f64).sum()
    }
}

/// Reads many small tensors from their device at once.
pub(crate) fn read(tensors: Vec<Tensor<1>>) -> Vec<f32> {
    if tensors.is_empty() {
        return Vec::new();
    }
    Tensor::cat(tensors, 0).into_data().iter::<f32>().collect()
}
