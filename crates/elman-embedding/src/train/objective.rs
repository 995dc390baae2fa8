//! Training objectives: each function computes the loss `[1]` of a batch of vectors `[batch, width]`.

use burn::{
    nn::loss::CrossEntropyLoss,
    tensor::{Int, Tensor, activation::relu},
};

use crate::encoder::normalize;

/// The mean squared distance to a teacher's vectors, `mean ‖s − t‖²` (Reimers & Gurevych 2020, "Making Monolingual
/// Sentence Embeddings Multilingual using Knowledge Distillation").
pub fn mean_squared_error(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    (student - teacher).square().sum_dim(1).mean()
}

/// The mean cosine distance to a teacher's vectors, `mean (1 − cos(s, t))`: half the [`mean_squared_error`] of
/// normalized vectors.
pub fn cosine_distance(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    -cosines(student, teacher).mean() + 1.0
}

/// The mean squared difference between all pairwise cosines in the batch and the teacher's,
/// `mean (cos(sᵢ, sⱼ) − cos(tᵢ, tⱼ))²` (Park et al. 2019, "Relational Knowledge Distillation"; Tung & Mori 2019).
/// Student and teacher may differ in dimension.
pub fn relational(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let [student, teacher] = [student, teacher].map(normalize);
    (student.clone().matmul(student.transpose()) - teacher.clone().matmul(teacher.transpose())).square().mean()
}

/// The contrastive loss with in-batch negatives: the cross-entropy of identifying each row's partner among all
/// partners, with cosine / temperature as logits; the mean of both directions (van den Oord et al. 2018, "InfoNCE";
/// Henderson et al. 2017, "multiple negatives ranking"). With two encodings of the same text under dropout it is SimCSE
/// (Gao et al. 2021).
pub fn info_nce(anchors: Tensor<2>, partners: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [anchors, partners] = [anchors, partners].map(normalize);
    let scores = anchors.matmul(partners.transpose()) / temperature;
    let [rows, _] = scores.dims();
    let device = scores.device();
    let targets = Tensor::<1, Int>::arange(0..rows as i64, &device);
    let loss = CrossEntropyLoss::new(None, &device);
    (loss.forward(scores.clone(), targets.clone()) + loss.forward(scores.transpose(), targets)) * 0.5
}

/// The triplet loss on cosines: each anchor should be closer to its positive than to its negative by a margin,
/// `mean max(0, cos(a, n) − cos(a, p) + margin)` (Schroff et al. 2015, with cosines instead of distances).
pub fn triplet(anchors: Tensor<2>, positives: Tensor<2>, negatives: Tensor<2>, margin: f64) -> Tensor<1> {
    let near = cosines(anchors.clone(), positives);
    let far = cosines(anchors, negatives);
    relu(far - near + margin).mean()
}

/// The mean squared difference between cosines and scores, `mean (cos(a, b) − score)²` (Reimers & Gurevych 2019,
/// "Sentence-BERT", regression objective). Scores are cosines, in [−1, 1].
pub fn cosine_regression(a: Tensor<2>, b: Tensor<2>, scores: Tensor<1>) -> Tensor<1> {
    (cosines(a, b) - scores).square().mean()
}

/// The mean over several `widths` of a loss on the first `width` values of the vectors, so that vectors can be
/// truncated to these dimensions (Kusupati et al. 2022, "Matryoshka Representation Learning").
pub fn matryoshka(widths: &[usize], vectors: &[Tensor<2>], loss: impl Fn(Vec<Tensor<2>>) -> Tensor<1>) -> Tensor<1> {
    let losses = widths.iter().map(|width| loss(vectors.iter().map(|v| truncate(v, *width)).collect()));
    let sum = losses.reduce(|a, b| a + b).expect("there is at least one width");
    sum / widths.len() as f64
}

fn truncate(vectors: &Tensor<2>, width: usize) -> Tensor<2> {
    let all = vectors.dims()[1];
    if width >= all { vectors.clone() } else { vectors.clone().narrow(1, 0, width) }
}

/// The cosine of each row of `a` and `b`, `[batch]`.
fn cosines(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    (normalize(a) * normalize(b)).sum_dim(1).squeeze_dim(1)
}
