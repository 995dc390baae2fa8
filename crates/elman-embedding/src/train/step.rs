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
use crate::{encoder::EncoderModel, error::EmbeddingError, mask::past_lengths, vectors::VectorFile};

/// What is trained: the encoder, and what reads the next word off its outputs.
#[derive(Module, Debug)]
pub(super) struct Trainee {
    pub encoder: EncoderModel,
    next_word: Option<Linear>,
}

/// Texts as the network read them.
struct Read {
    output: Tensor<3>,
    vectors: Tensor<2>,
    ids: Vec<u32>,
    lengths: Vec<usize>,
}

impl Trainee {
    pub fn new(encoder: EncoderModel, config: &EncoderTrainConfig) -> Result<Self, EmbeddingError> {
        let settings = encoder.config();
        if config.next_word > 0.0 && settings.bidirectional {
            let reason = "the next word cannot be learned by a network of both directions, which has seen it".into();
            return Err(EmbeddingError::Examples { reason });
        }
        let device = encoder.embedding.weight.device();
        let dense = LinearConfig::new(settings.d_output(), settings.d_embed);
        let next_word = (config.next_word > 0.0).then(|| dense.init(&device));
        Ok(Self { encoder, next_word })
    }

    /// The loss of some examples, `[1]`.
    pub fn loss(
        &self,
        examples: &Examples,
        rows: &[usize],
        config: &EncoderTrainConfig,
    ) -> Result<Tensor<1>, EmbeddingError> {
        let read = |texts: &Texts| self.read(texts, rows);
        // SimCSE reads a text twice, with other masks of dropout
        let mut columns: Vec<Read> = examples.columns().iter().map(read).collect::<Result<_, _>>()?;
        if let Examples::Texts(texts, None) = examples {
            columns.push(read(texts)?);
        }
        let vectors: Vec<Tensor<2>> = columns.iter().map(|read| read.vectors.clone()).collect();
        let device = vectors[0].device();
        let mut widths = config.matryoshka.clone();
        widths.push(vectors[0].dims()[1]);
        let of = |vectors: &[Tensor<2>], loss: &dyn Fn(Vec<Tensor<2>>) -> Tensor<1>| matryoshka(&widths, vectors, loss);
        let loss = match examples {
            Examples::Texts(_, Some(teacher)) => {
                let teacher = targets(teacher, rows, &vectors[0])?;
                let all = teacher.clone();
                of(&[vectors[0].clone(), teacher], &|vectors| distil(vectors, all.clone(), config))
            }
            Examples::Texts(_, None) | Examples::Pairs(_) => {
                of(&vectors, &|v| info_nce(v[0].clone(), v[1].clone(), config.temperature))
            }
            Examples::Scored(_, scores) => {
                let scores: Vec<f32> = rows.iter().map(|row| scores[*row]).collect();
                let scores = Tensor::<1>::from_data(TensorData::new(scores, [rows.len()]), &device);
                of(&vectors, &|v| cosine_regression(v[0].clone(), v[1].clone(), scores.clone()))
            }
            Examples::Triplets(_) => {
                of(&vectors, &|v| triplet(v[0].clone(), v[1].clone(), v[2].clone(), config.margin))
            }
        };
        match (&self.next_word, &columns[0]) {
            (Some(dense), read) if read.output.dims()[1] > 1 => {
                Ok(loss + self.next_word(dense, read)? * config.next_word)
            }
            _ => Ok(loss),
        }
    }

    fn read(&self, texts: &Texts, rows: &[usize]) -> Result<Read, EmbeddingError> {
        let lengths: Vec<usize> = rows.iter().map(|row| texts.get(*row).len()).collect();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let pad = |row: &usize| texts.get(*row).iter().copied().chain(std::iter::repeat(0)).take(time);
        let ids: Vec<u32> = rows.iter().flat_map(pad).collect();
        let tokens = self.encoder.tokens(&ids, [rows.len(), time])?;
        let (output, _) = self.encoder.read(tokens, &lengths, None);
        Ok(Read { vectors: self.encoder.vectors(output.clone(), &lengths), output, ids, lengths })
    }

    /// The mean cross-entropy of the next token, whose logits are products with the embedding (Press & Wolf 2017). The token
    /// after a text's last, which is padding, is not counted.
    fn next_word(&self, dense: &Linear, read: &Read) -> Result<Tensor<1>, EmbeddingError> {
        let [rows, time, width] = read.output.dims();
        let (mut at, mut targets) = (Vec::new(), Vec::new());
        for (row, length) in read.lengths.iter().enumerate() {
            at.extend((row * time..).take(length - 1).map(|i| i as i32));
            targets.extend(read.ids[row * time..].iter().skip(1).take(length - 1).map(|id| *id as i32));
        }
        let device = read.output.device();
        let ids = |ids: Vec<i32>| {
            let length = ids.len();
            Tensor::<1, Int>::from_data(TensorData::new(ids, [length]), &device)
        };
        let output = past_lengths(read.output.clone(), &read.lengths, 0.0).reshape([rows * time, width]);
        let hidden = dense.forward(output.select(0, ids(at)));
        let embedding = self.encoder.embedding.weight.val().transpose();
        Ok(linear_cross_entropy(hidden, embedding, None, ids(targets)))
    }
}

/// The teacher's vectors of some rows, as wide as the student's or wider.
fn targets(teacher: &VectorFile, rows: &[usize], student: &Tensor<2>) -> Result<Tensor<2>, EmbeddingError> {
    Ok(Tensor::from_data(TensorData::new(teacher.read(rows)?, [rows.len(), teacher.width()]), &student.device()))
}

/// The objectives of distillation. Where the teacher's vectors are wider, the student learns their first numbers, and the cosines
/// of all.
fn distil(mut vectors: Vec<Tensor<2>>, teacher: Tensor<2>, config: &EncoderTrainConfig) -> Tensor<1> {
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
    losses.into_iter().reduce(|a, b| a + b).expect("one weight is above zero")
}
