use burn::{module::Module, tensor::Tensor};
use elman_text::{BpttBatches, Tokens};
use serde::{Deserialize, Serialize};

use crate::{error::LmError, model::LanguageModel, packed::PackedModel};

/// How well a model predicts a text.
///
/// The loss is the mean over all predicted tokens. Not predicted are the first token of each column, which has no
/// context, and the few tokens at the end that do not fill all columns. The metrics per character and per byte scale
/// the loss by the tokens per character and per byte of the whole text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of predicted tokens.
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

/// Batch size for validation.
const VALIDATION_BATCH: usize = 10;

/// Losses that stay on the device before they are read together.
const MAX_PENDING: usize = 64;

/// Measures how well `model` predicts `text`, split into `batch` columns and read in windows of `bptt` tokens. The
/// state is carried from one window to the next.
///
/// One column gives the exact result. More are faster, but the first tokens of each column lack their context.
///
/// # Errors
/// [`LmError::Text`] if the text is too short for the batch or has a token that the model does not know,
/// [`LmError::TooLarge`], [`LmError::NotFinite`].
pub fn evaluate(model: &LanguageModel, text: &Tokens, batch: usize, bptt: usize) -> Result<Evaluation, LmError> {
    let evaluation = evaluate_while(model, text, batch, bptt, || true)?;
    evaluation.expect("nothing stopped it").finite()
}

/// [`evaluate`] for a packed model: shows the loss of accuracy of its weight dtype.
///
/// # Errors
/// Those of [`evaluate`].
pub fn evaluate_packed(model: &PackedModel, text: &Tokens, batch: usize, bptt: usize) -> Result<Evaluation, LmError> {
    let windows = BpttBatches::new(text, batch, bptt)?;
    let mut session = model.session(batch);
    let (mut sum, mut steps) = (0.0, 0);
    for window in windows {
        let at = |t: usize, row: usize| row * window.steps + t;
        let transposed = |n: usize| window.inputs[at(n / batch, n % batch)];
        let inputs: Vec<u32> = (0..window.steps * batch).map(transposed).collect();
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
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, logit| max.max(*logit));
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
    sum.ln() + f64::from(max) - f64::from(logits[target as usize])
}

/// [`evaluate`] that checks `go_on` before each window; `None` if `go_on` stopped it.
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
    let mut pending = PendingLosses::default();
    for batch in windows {
        if !go_on() {
            return Ok(None);
        }
        let shape = [batch.rows, batch.steps];
        let inputs = model.tokens(&batch.inputs, shape)?;
        let targets = model.tokens(&batch.targets, shape)?;
        let (loss, next) = model.loss(inputs, targets, state);
        state = Some(next);
        pending.losses.push(loss);
        pending.steps.push(batch.steps);
        steps += batch.steps;
        rows = batch.rows;
        if pending.losses.len() == MAX_PENDING {
            sum += pending.take_sum();
        }
    }
    sum += pending.take_sum();
    Evaluation::new(sum, steps, rows, text).map(Some)
}

impl Evaluation {
    /// From `sum`, the sum over `steps` time steps of the mean loss of `rows` columns.
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

    /// Rejects an infinite perplexity: a loss above 709 means damaged weights. Validation during training accepts it,
    /// because training can recover.
    fn finite(self) -> Result<Self, LmError> {
        if self.perplexity.is_finite() { Ok(self) } else { Err(LmError::NotFinite) }
    }
}

/// [`evaluate`] as after each epoch: in ten columns, or fewer if the text is too short for them. `None` if `go_on`
/// stopped it.
pub(crate) fn validate(
    model: &LanguageModel,
    text: &Tokens,
    bptt: usize,
    go_on: impl Fn() -> bool,
) -> Result<Option<Evaluation>, LmError> {
    evaluate_while(model, text, VALIDATION_BATCH.min(text.len() / 2).max(1), bptt, go_on)
}

/// Losses that are still on the device, and the number of time steps that each is the mean of.
#[derive(Default)]
struct PendingLosses {
    losses: Vec<Tensor<1>>,
    steps: Vec<usize>,
}

impl PendingLosses {
    /// The sum of loss × time steps. Clears the pending losses.
    fn take_sum(&mut self) -> f64 {
        let steps = std::mem::take(&mut self.steps);
        let losses = read(std::mem::take(&mut self.losses));
        losses.into_iter().zip(steps).map(|(loss, steps)| f64::from(loss) * steps as f64).sum()
    }
}

/// Reads many small tensors from their device in one transfer.
pub(crate) fn read(tensors: Vec<Tensor<1>>) -> Vec<f32> {
    if tensors.is_empty() {
        return Vec::new();
    }
    Tensor::cat(tensors, 0).into_data().iter::<f32>().collect()
}
