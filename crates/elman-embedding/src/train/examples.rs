use elman_text::{TextTokenizer, Tokenizer};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{error::EmbeddingError, vectors::VectorFile};

/// Tokenized texts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

/// Length in tokens up to which batches have the full batch size.
const FULL_BATCH_TOKENS: usize = 64;
/// Texts per chunk of parallel tokenization.
const TOKENIZE_CHUNK: usize = 1 << 13;

impl Texts {
    /// Tokenizes texts and truncates each to `max_tokens` tokens.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if one cannot be tokenized.
    pub fn new<S: AsRef<str> + Sync>(
        tokenizer: &TextTokenizer,
        texts: &[S],
        max_tokens: usize,
    ) -> Result<Self, EmbeddingError> {
        let mut all = Self::default();
        for texts in texts.chunks(TOKENIZE_CHUNK) {
            let ids: Vec<_> = texts.par_iter().map(|text| tokenizer.encode(text.as_ref())).collect::<Result<_, _>>()?;
            for ids in ids {
                all.ids.extend(&ids[..ids.len().min(max_tokens)]);
                all.ends.push(all.ids.len());
            }
        }
        Ok(all)
    }

    /// The tokens of one text.
    pub fn get(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.ids[start..self.ends[i]]
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Training examples: one to three columns of texts, some with targets.
#[derive(Debug)]
pub enum Examples {
    /// Texts with a teacher's vectors for distillation; without, each text is encoded twice under dropout (SimCSE).
    Texts(Texts, Option<VectorFile>),
    /// Pairs of texts: paraphrases, or questions and answers.
    Pairs([Texts; 2]),
    /// Pairs of texts with similarity scores, as cosines.
    Scored([Texts; 2], Vec<f32>),
    /// Anchors, positives and negatives.
    Triplets([Texts; 3]),
}

impl Examples {
    /// The columns of texts.
    pub fn columns(&self) -> &[Texts] {
        match self {
            Self::Texts(texts, _) => std::slice::from_ref(texts),
            Self::Pairs(pairs) | Self::Scored(pairs, _) => pairs,
            Self::Triplets(triplets) => triplets,
        }
    }

    /// The usable examples and the number of others: those without tokens or with a zero teacher vector.
    ///
    /// # Errors
    /// [`EmbeddingError::Count`], [`EmbeddingError::NotFinite`] for a teacher; [`EmbeddingError::Examples`] if no
    /// example is usable.
    pub(super) fn usable(&self) -> Result<(Vec<usize>, usize), EmbeddingError> {
        let texts = self.columns()[0].len();
        let mut good: Vec<bool> = (0..texts).map(|i| self.columns().iter().all(|c| !c.get(i).is_empty())).collect();
        if let Self::Texts(_, Some(teacher)) = self {
            let (path, rows) = (teacher.path(), teacher.rows());
            if rows != texts {
                return Err(EmbeddingError::Count { path: path.into(), rows, texts });
            }
            teacher.each(|row, vector| {
                if !vector.iter().all(|x| x.is_finite()) {
                    return Err(EmbeddingError::NotFinite { path: path.into(), row: row + 1 });
                }
                good[row] &= vector.iter().any(|x| *x != 0.0);
                Ok(())
            })?;
        }
        let usable: Vec<usize> = (0..texts).filter(|i| good[*i]).collect();
        if usable.is_empty() {
            return Err(EmbeddingError::Examples { reason: format!("none of {texts} examples is usable") });
        }
        let skipped = texts - usable.len();
        Ok((usable, skipped))
    }

    /// The batches of an epoch, of examples of similar length, shuffled in each epoch. Long examples are in smaller
    /// batches, so that no batch has more tokens than a full one of [`FULL_BATCH_TOKENS`] tokens each.
    pub(super) fn batches(&self, usable: &[usize], batch: usize, seed: u64) -> Vec<Vec<usize>> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut order = usable.to_vec();
        order.shuffle(&mut random);
        let columns = self.columns();
        let length = |i: &usize| columns.iter().map(|texts| texts.get(*i).len()).max().unwrap_or(0);
        order.sort_by_cached_key(|i| std::cmp::Reverse(length(i)));
        let (mut batches, mut rest) = (Vec::new(), order.as_slice());
        while let Some(longest) = rest.first() {
            let fitting = (batch.saturating_mul(FULL_BATCH_TOKENS) / length(longest)).clamp(1, batch);
            let (rows, after) = rest.split_at(fitting.min(rest.len()));
            batches.push(rows.to_vec());
            rest = after;
        }
        batches.shuffle(&mut random);
        batches
    }

    /// SHA-256 of the tokens, in hexadecimal: identifies the examples of a checkpoint.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for texts in self.columns() {
            hash.update((texts.len() as u64).to_le_bytes());
            texts.ends.iter().for_each(|end| hash.update((*end as u64).to_le_bytes()));
            texts.ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
