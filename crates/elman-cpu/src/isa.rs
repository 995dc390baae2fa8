//! The instruction sets of the kernels.

use std::{fmt, str::FromStr, sync::OnceLock};

use pulp::WithSimd;

/// An instruction set. Each kernel is one generic function, compiled for every set; the best one that the CPU supports
/// is selected at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// Portable scalar code, for CPUs that support none of the others.
    Portable,
    /// AVX2 with FMA: eight lanes.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx2,
    /// AVX-512 (F, BW, CD, DQ, VL): sixteen lanes.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx512,
    /// NEON: four lanes.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// Every set of this architecture, the best last.
    pub const ALL: &'static [Self] = &[
        Self::Portable,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Self::Avx2,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Self::Avx512,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
    ];

    /// The sets that this CPU supports, the best last.
    pub fn available() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|isa| isa.is_available()).collect()
    }

    /// The default set: that of `$ELMAN_CPU` if this CPU supports it, else the best available.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let best = Self::available().into_iter().next_back().unwrap_or(Self::Portable);
            Self::named().ok().flatten().unwrap_or(best)
        })
    }

    /// The set that `$ELMAN_CPU` names (`portable`, `avx2`, `avx512`, `neon`); `None` if it is not set.
    ///
    /// # Errors
    /// [`IsaError`] if the name is unknown or this CPU does not support the set; [`best`](Self::best) ignores such a
    /// name.
    pub fn named() -> Result<Option<Self>, IsaError> {
        let Some(name) = std::env::var_os("ELMAN_CPU") else { return Ok(None) };
        let isa: Self = name.to_string_lossy().parse()?;
        if isa.is_available() { Ok(Some(isa)) } else { Err(IsaError::Unavailable(isa)) }
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
        }
    }

    /// Runs an operation compiled for the set, or its portable form if the CPU does not support the set.
    pub(crate) fn run<O: WithSimd>(self, operation: O) -> O::Output {
        /// Enables the set's instructions, so that the operation's functions are inlined.
        macro_rules! with {
            ($simd:expr) => {
                match $simd {
                    Some(simd) => simd.vectorize(
                        #[inline(always)]
                        || operation.with_simd(simd),
                    ),
                    None => operation.with_simd(pulp::Scalar),
                }
            };
        }
        match self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2 => with!(pulp::x86::V3::try_new()),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx512 => with!(pulp::x86::V4::try_new()),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => with!(pulp::aarch64::Neon::try_new()),
            Self::Portable => operation.with_simd(pulp::Scalar),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2 => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        })
    }
}

/// An instruction set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IsaError {
    /// No instruction set of this architecture has the name.
    Unknown(String),
    /// This CPU does not support it.
    Unavailable(Isa),
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |sets: &[Isa]| sets.iter().map(Isa::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Unknown(name) => {
                write!(f, "unknown instruction set '{name}': expected one of {}", list(&Isa::available()))
            }
            Self::Unavailable(isa) => {
                write!(
                    f,
                    "this CPU does not support the instruction set '{isa}': expected one of {}",
                    list(&Isa::available())
                )
            }
        }
    }
}

impl std::error::Error for IsaError {}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        let found = Self::ALL.iter().find(|isa| isa.to_string() == name);
        found.copied().ok_or_else(|| IsaError::Unknown(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(*isa));
        }
        let message = "mmx".parse::<Isa>().unwrap_err().to_string();
        assert!(message.starts_with("unknown instruction set 'mmx': expected one of portable"), "{message}");
        assert!(Isa::available().contains(&Isa::best()));
    }
}
