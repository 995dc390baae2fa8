use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Int, Tensor, TensorData},
};
use elman_layers::linear_cross_entropy;

use super::{
    EncoderTrainConfig, Examples, Texts, cosine_distance, cosine_regression, info_nce, matryoshka, mean_squared_error,
    relational, triplet,
};
use crate::{encoder::EncoderModel, error::EmbeddingError, mask::mask_past_lengths, vectors::VectorFile};

/// The trained module: the encoder and the head of the next-token loss.
#[derive(Module, Debug)]
pub(super) struct TrainingModel {
    pub encoder: EncoderModel,
    next_word: Option<Linear>,
}

/// A batch of texts with its outputs and vectors.
struct EncodedTexts {
    output: Tensor<3>,
    vectors: Tensor<2>,
    ids: Vec<u32>,
    lengths: Vec<usize>,
}

impl TrainingModel {
    pub fn new(encoder: EncoderModel, config: &EncoderTrainConfig) -> Result<Self, EmbeddingError> {
        let settings = encoder.config();
        if config.next_word > 0.0 && settings.bidirectional {
            let reason = "the next-token loss needs a unidirectional network, which has not seen the next token".into();
            return Err(EmbeddingError::Examples { reason });
        }
        let device = encoder.embedding.weight.device();
        let head = LinearConfig::new(settings.d_output(), settings.d_embed);
        let next_word = (config.next_word > 0.0).then(|| head.init(&device));
        Ok(Self { encoder, next_word })
    }

    /// The loss of a batch of examples, `[1]`.
    pub fn loss(
        &self,
        examples: &Examples,
        rows: &[usize],
        config: &EncoderTrainConfig,
    ) -> Result<Tensor<1>, EmbeddingError> {
        let encode = |texts: &Texts| self.encode(texts, rows);
        // SimCSE encodes a text twice, with different dropout masks
        let mut columns: Vec<EncodedTexts> = examples.columns().iter().map(encode).collect::<Result<_, _>>()?;
        if let Examples::Texts(texts, None) = examples {
            columns.push(encode(texts)?);
        }
        let vectors: Vec<Tensor<2>> = columns.iter().map(|texts| texts.vectors.clone()).collect();
        let device = vectors[0].device();
        let mut widths = config.matryoshka.clone();
        widths.push(vectors[0].dims()[1]);
        let over_widths =
            |vectors: &[Tensor<2>], loss: &dyn Fn(Vec<Tensor<2>>) -> Tensor<1>| matryoshka(&widths, vectors, loss);
        let loss = match examples {
            Examples::Texts(_, Some(teacher)) => {
                let teacher = targets(teacher, rows, &vectors[0])?;
                let full = teacher.clone();
                over_widths(&[vectors[0].clone(), teacher], &|vectors| distill(vectors, full.clone(), config))
            }
            Examples::Texts(_, None) | Examples::Pairs(_) => {
                over_widths(&vectors, &|v| info_nce(v[0].clone(), v[1].clone(), config.temperature))
            }
            Examples::Scored(_, scores) => {
                let scores: Vec<f32> = rows.iter().map(|row| scores[*row]).collect();
                let scores = Tensor::<1>::from_data(TensorData::new(scores, [rows.len()]), &device);
                over_widths(&vectors, &|v| cosine_regression(v[0].clone(), v[1].clone(), scores.clone()))
            }
            Examples::Triplets(_) => {
                over_widths(&vectors, &|v| triplet(v[0].clone(), v[1].clone(), v[2].clone(), config.margin))
            }
        };
        match (&self.next_word, &columns[0]) {
            (Some(head), texts) if texts.output.dims()[1] > 1 => {
                Ok(loss + self.next_token_loss(head, texts)? * config.next_word)
            }
            _ => Ok(loss),
        }
    }

    fn encode(&self, texts: &Texts, rows: &[usize]) -> Result<EncodedTexts, EmbeddingError> {
        let lengths: Vec<usize> = rows.iter().map(|row| texts.get(*row).len()).collect();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let pad = |row: &usize| texts.get(*row).iter().copied().chain(std::iter::repeat(0)).take(time);
        let ids: Vec<u32> = rows.iter().flat_map(pad).collect();
        let tokens = self.encoder.tokens(&ids, [rows.len(), time])?;
        let (output, _) = self.encoder.forward_recurrent(tokens, &lengths, None);
        Ok(EncodedTexts { vectors: self.encoder.vectors(output.clone(), &lengths), output, ids, lengths })
    }

    /// The mean cross-entropy of the next token, with tied embeddings as output weights (Press & Wolf 2017). The last
    /// token of each text has no target.
    fn next_token_loss(&self, head: &Linear, texts: &EncodedTexts) -> Result<Tensor<1>, EmbeddingError> {
        let [rows, time, width] = texts.output.dims();
        let (mut positions, mut targets) = (Vec::new(), Vec::new());
        for (row, length) in texts.lengths.iter().enumerate() {
            positions.extend((row * time..).take(length - 1).map(|i| i as i32));
            targets.extend(texts.ids[row * time..].iter().skip(1).take(length - 1).map(|id| *id as i32));
        }
        let device = texts.output.device();
        let ids = |ids: Vec<i32>| {
            let length = ids.len();
            Tensor::<1, Int>::from_data(TensorData::new(ids, [length]), &device)
        };
        let output = mask_past_lengths(texts.output.clone(), &texts.lengths, 0.0).reshape([rows * time, width]);
        let hidden = head.forward(output.select(0, ids(positions)));
        let embedding = self.encoder.embedding.weight.val().transpose();
        Ok(linear_cross_entropy(hidden, embedding, None, ids(targets)))
    }
}

/// The teacher's vectors of the given rows, `[rows, teacher width]`.
fn targets(teacher: &VectorFile, rows: &[usize], student: &Tensor<2>) -> Result<Tensor<2>, EmbeddingError> {
    Ok(Tensor::from_data(TensorData::new(teacher.read(rows)?, [rows.len(), teacher.width()]), &student.device()))
}

/// The distillation losses. If the teacher's vectors are wider, cosine and MSE use their first values, and the
/// relational loss the full vectors.
fn distill(mut vectors: Vec<Tensor<2>>, teacher: Tensor<2>, config: &EncoderTrainConfig) -> Tensor<1> {
    let (first, student) = (vectors.pop().expect("the teacher's"), vectors.pop().expect("the student's"));
    let width = student.dims()[1];
    let first = if first.dims()[1] > width { first.narrow(1, 0, width) } else { first };
    let mut losses = Vec::new();
    if config.cosine > 0.0 {
        losses.push(cosine_distance(student.clone(), first.clone()) * config.cosine);
    }
    if config.mse > 0.0 {
        losses.push(mean_squared_error(student.clone(), first) * config.mse);
    }
    if config.relational > 0.0 {
        losses.push(relational(student, teacher) * config.relational);
    }
    losses.into_iter().reduce(|a, b| a + b).expect("check_examples requires a weight above 0")
}
