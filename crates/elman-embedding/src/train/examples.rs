use elman_text::{TextTokenizer, Tokenizer};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{error::EmbeddingError, vectors::VectorFile};

/// Texts as tokens.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

/// Tokens of a text that is not long.
const USUAL: usize = 64;
/// Texts that are tokenised side by side.
const TOGETHER: usize = 1 << 13;

impl Texts {
    /// Tokenises texts, each cut after `longest` tokens.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if one cannot be tokenised.
    pub fn new<S: AsRef<str> + Sync>(
        tokenizer: &TextTokenizer,
        texts: &[S],
        longest: usize,
    ) -> Result<Self, EmbeddingError> {
        let mut all = Self::default();
        for texts in texts.chunks(TOGETHER) {
            let ids: Vec<_> = texts.par_iter().map(|text| tokenizer.encode(text.as_ref())).collect::<Result<_, _>>()?;
            for ids in ids {
                all.ids.extend(&ids[..ids.len().min(longest)]);
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// What is learned from: texts, alone or two or three in a row, with what belongs to them.
#[derive(Debug)]
pub enum Examples {
    /// Texts, with a teacher's vector each, or without: they are read twice under dropout then.
    Texts(Texts, Option<VectorFile>),
    /// Texts that mean the same, or a question and its answer.
    Pairs([Texts; 2]),
    /// Two texts and how alike they are, as a cosine.
    Scored([Texts; 2], Vec<f32>),
    /// A text, one that is like it, and one that is less so.
    Triplets([Texts; 3]),
}

impl Examples {
    /// The columns.
    pub fn columns(&self) -> &[Texts] {
        match self {
            Self::Texts(texts, _) => std::slice::from_ref(texts),
            Self::Pairs(pairs) | Self::Scored(pairs, _) => pairs,
            Self::Triplets(triplets) => triplets,
        }
    }

    /// Those that can be learned from, and how many cannot: without tokens, or whose teacher's vector is zero.
    ///
    /// # Errors
    /// [`EmbeddingError::Count`], [`EmbeddingError::NotFinite`] for a teacher; [`EmbeddingError::Examples`] if
    /// none are left.
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
            return Err(EmbeddingError::Examples { reason: format!("none of {texts} examples can be learned from") });
        }
        let left_out = texts - usable.len();
        Ok((usable, left_out))
    }

    /// An epoch's batches: examples of similar length side by side, in other company each time. Long ones come in smaller
    /// batches, so that none needs more memory than a full one of [`USUAL`] tokens each.
    pub(super) fn batches(&self, usable: &[usize], batch: usize, seed: u64) -> Vec<Vec<usize>> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut order = usable.to_vec();
        order.shuffle(&mut random);
        let columns = self.columns();
        let length = |i: &usize| columns.iter().map(|texts| texts.get(*i).len()).max().unwrap_or(0);
        order.sort_by_cached_key(|i| std::cmp::Reverse(length(i)));
        let (mut batches, mut rest) = (Vec::new(), order.as_slice());
        while let Some(longest) = rest.first() {
            let fitting = (batch.saturating_mul(USUAL) / length(longest)).clamp(1, batch);
            let (rows, after) = rest.split_at(fitting.min(rest.len()));
            batches.push(rows.to_vec());
            rest = after;
        }
        batches.shuffle(&mut random);
        batches
    }

    /// SHA-256 of the tokens, in hexadecimal: which examples a checkpoint belongs to.
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
