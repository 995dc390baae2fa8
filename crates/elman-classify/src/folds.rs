use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{confusion::Confusion, error::ClassifyError, examples::Examples, logistic::LogisticConfig};

/// The result of cross-validation.
#[derive(Clone, Debug)]
pub struct CrossValidation {
    /// The accuracy on each fold of a classifier trained on the other folds.
    pub accuracies: Vec<f64>,
    /// The confusion matrix over all examples, each predicted by the classifier that was not trained on it.
    pub confusion: Confusion,
}

impl CrossValidation {
    /// The mean of the folds' accuracies.
    pub fn mean(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len() as f64
    }

    /// The standard deviation of the folds' accuracies.
    pub fn deviation(&self) -> f64 {
        let square = |accuracy: &f64| (accuracy - self.mean()).powi(2);
        (self.accuracies.iter().map(square).sum::<f64>() / self.accuracies.len() as f64).sqrt()
    }
}

/// Stratified k-fold cross-validation: splits the examples into folds of equal size and equal label proportions, and
/// evaluates on each fold a classifier trained on the others. The seed determines the folds.
///
/// # Errors
/// Those of [`LogisticConfig::train`]; [`ClassifyError::Setting`] for fewer than two folds; [`ClassifyError::Folds`] if
/// a label has fewer examples than there are folds.
pub fn cross_validate(
    config: &LogisticConfig,
    examples: &Examples,
    folds: usize,
    seed: u64,
) -> Result<CrossValidation, ClassifyError> {
    let (labels, classes) = (examples.labels(), examples.classes());
    let mut counts = vec![0; labels.len()];
    classes.iter().for_each(|class| counts[*class] += 1);
    check_folds(folds, labels.iter().map(String::as_str).zip(counts))?;
    let fold = assign_folds(&classes, labels.len(), folds, seed);

    let mut confusion = Confusion::new(&labels);
    let mut accuracies = Vec::with_capacity(folds);
    for held_out in 0..folds {
        let (valid, train): (Vec<usize>, Vec<usize>) = (0..classes.len()).partition(|row| fold[*row] == held_out);
        let classifier = config.train_on(examples, &classes, &train)?.classifier;
        let mut correct = 0;
        for row in &valid {
            let predicted = classifier.predict(examples.vector(*row))?.class;
            confusion.add(classes[*row], predicted);
            correct += usize::from(predicted == classes[*row]);
        }
        accuracies.push(correct as f64 / valid.len() as f64);
    }
    Ok(CrossValidation { accuracies, confusion })
}

/// Checks that examples with these label counts can be split into folds. It needs no vectors.
///
/// # Errors
/// [`ClassifyError::Setting`], [`ClassifyError::Folds`], as [`cross_validate`].
pub fn check_folds<'a>(folds: usize, counts: impl IntoIterator<Item = (&'a str, usize)>) -> Result<(), ClassifyError> {
    if folds < 2 {
        return Err(ClassifyError::Setting { name: "folds", expected: "at least 2", found: folds.to_string() });
    }
    match counts.into_iter().min_by_key(|(_, count)| *count) {
        Some((label, found)) if found < folds => Err(ClassifyError::Folds { folds, label: label.into(), found }),
        _ => Ok(()),
    }
}

/// The fold of each example. Shuffled examples are dealt to the folds round-robin, one label after another.
fn assign_folds(classes: &[usize], count: usize, folds: usize, seed: u64) -> Vec<usize> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    classes.iter().enumerate().for_each(|(row, class)| rows[*class].push(row));
    rows.iter_mut().for_each(|rows| rows.shuffle(&mut rng));
    let mut fold = vec![0; classes.len()];
    rows.concat().into_iter().enumerate().for_each(|(n, row)| fold[row] = n % folds);
    fold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_stratified() {
        let classes: Vec<usize> = (0..103).map(|row| if row < 70 { 0 } else { 1 + row % 2 }).collect();
        let fold = assign_folds(&classes, 3, 5, 1);
        for held_out in 0..5 {
            let count = |class| (0..103).filter(|row| fold[*row] == held_out && class == classes[*row]).count();
            assert_eq!(count(0), 14);
            assert!([3, 4].contains(&count(1)) && [3, 4].contains(&count(2)), "{} {}", count(1), count(2));
            assert!([20, 21].contains(&(count(0) + count(1) + count(2))));
        }
        assert_eq!(fold, assign_folds(&classes, 3, 5, 1));
        assert_ne!(fold, assign_folds(&classes, 3, 5, 2));
    }
}
