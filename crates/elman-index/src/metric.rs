use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::IndexError,
    similarity::{self, cosine, dot, euclidean},
};

/// A similarity or distance of two vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Metric {
    /// [`cosine`] similarity, independent of the lengths of vectors.
    #[default]
    Cosine,
    /// [`dot`] product; equal to the cosine for unit vectors.
    Dot,
    /// [`euclidean`] distance: smaller is nearer.
    Euclidean,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 3] = [Self::Cosine, Self::Dot, Self::Euclidean];

    /// The name that [`FromStr`] parses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclidean => "euclidean",
        }
    }

    /// Whether smaller scores are better.
    pub const fn is_distance(self) -> bool {
        matches!(self, Self::Euclidean)
    }

    /// The score of two vectors.
    ///
    /// # Panics
    /// If the vectors differ in length.
    pub fn score(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::Cosine => cosine(a, b),
            Self::Dot => dot(a, b),
            Self::Euclidean => euclidean(a, b),
        }
    }

    /// The [`score`](Self::score) of a query and each vector, in order.
    pub(crate) fn scores<'a>(
        self,
        query: &'a [f32],
        vectors: impl Iterator<Item = &'a [f32]> + 'a,
    ) -> Box<dyn Iterator<Item = f32> + 'a> {
        match self {
            Self::Cosine => {
                let squared = similarity::sum_products(query, query);
                Box::new(vectors.map(move |vector| similarity::cosine_to(query, squared, vector)))
            }
            Self::Dot => Box::new(vectors.map(|vector| dot(query, vector))),
            Self::Euclidean => Box::new(vectors.map(|vector| euclidean(query, vector))),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = IndexError;

    fn from_str(name: &str) -> Result<Self, IndexError> {
        let known = Self::ALL.into_iter().find(|metric| metric.name() == name);
        known.ok_or_else(|| IndexError::UnknownMetric { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
            assert_eq!(serde_json::to_string(&metric).unwrap(), format!("\"{metric}\""));
        }
        let error = "manhattan".parse::<Metric>().unwrap_err();
        assert_eq!(error.to_string(), "unknown metric 'manhattan': use cosine, dot or euclidean");
    }

    #[test]
    fn batch_scores_equal_single_scores() {
        let query = [0.3, -1.5, 2.25];
        let vectors = [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [-0.3, 1.5, -2.25]];
        for metric in Metric::ALL {
            let together: Vec<f32> = metric.scores(&query, vectors.iter().map(|v| v.as_slice())).collect();
            let singly: Vec<f32> = vectors.iter().map(|vector| metric.score(&query, vector)).collect();
            assert_eq!(together, singly, "{metric}");
        }
    }
}
