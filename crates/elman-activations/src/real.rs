use num_traits::Float;

/// The element types of the scalar forms: `f32` and `f64`.
pub trait Real: Float + sealed::Sealed + 'static {
    /// Rounds to this type.
    fn of(x: f64) -> Self;

    /// The complementary error function, `1 − erf(x)`, without cancellation.
    fn erfc(self) -> Self;
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }

    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}
