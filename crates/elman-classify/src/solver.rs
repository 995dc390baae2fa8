use std::cell::{Cell, RefCell};

use argmin::{
    core::{CostFunction, Error, Executor, Gradient, IterState, State},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};

use crate::{error::ClassifyError, objective::Objective};

/// Steps that the curvature is estimated from, as many as scikit-learn takes.
const MEMORY: usize = 10;

/// Evaluations per iteration, on average, after which a line search is taken to be lost.
const SEARCH: u64 = 20;

/// Where the solver stopped.
pub(crate) struct Minimum {
    pub(crate) parameters: Vec<f64>,
    pub(crate) iterations: u64,
    /// Whether the gradient's norm is below the tolerance.
    pub(crate) converged: bool,
}

/// The point of the lowest loss that L-BFGS finds, from zeros.
pub(crate) fn minimize(objective: &Objective, tolerance: f64, iterations: u64) -> Result<Minimum, ClassifyError> {
    let start = vec![0.0; objective.parameters()];
    let memory = Memory {
        objective,
        last: RefCell::default(),
        best: RefCell::new(Point { loss: f64::INFINITY, norm: f64::INFINITY, ..Point::default() }),
        left: Cell::new(iterations.saturating_mul(SEARCH).saturating_add(1)),
    };
    // a tolerance of 0 for the loss: rounding may hold it still some steps before the gradient is small
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
        .with_tolerance_grad(tolerance)
        .and_then(|solver| solver.with_tolerance_cost(0.0))
        .expect("tolerances are not negative");
    let run = Executor::new(&memory, solver)
        .configure(|state: IterState<_, _, (), (), (), _>| state.param(start).max_iters(iterations))
        .ctrlc(false)
        .run();
    // where rounding ends a line search, the best point so far is as good as the numbers allow
    let iterations = run.map_or(0, |result| result.state.get_iter());
    let best = memory.best.into_inner();
    if best.at.is_empty() {
        return Err(ClassifyError::Diverged);
    }
    Ok(Minimum { parameters: best.at, iterations, converged: best.norm <= tolerance })
}

/// The loss, and what was last asked: the solver asks for loss and gradient of a point one after the other.
struct Memory<'a> {
    objective: &'a Objective<'a>,
    last: RefCell<Point>,
    best: RefCell<Point>,
    left: Cell<u64>,
}

#[derive(Clone, Default)]
struct Point {
    at: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
    norm: f64,
}

impl Point {
    /// Near the minimum rounding hides which loss is lower, and the gradient still tells.
    fn is_better(&self, best: &Self) -> bool {
        const ROUNDING: f64 = 4.0 * f64::EPSILON;
        let as_low = self.loss <= best.loss * (1.0 + ROUNDING);
        self.loss < best.loss * (1.0 - ROUNDING) || (as_low && self.norm < best.norm)
    }
}

impl Memory<'_> {
    fn look(&self, at: &[f64]) -> Result<(), Error> {
        if self.last.borrow().at == at {
            return Ok(());
        }
        let left = self.left.get().checked_sub(1).ok_or_else(|| Error::msg("too many evaluations"))?;
        self.left.set(left);
        let (loss, gradient) = self.objective.evaluate(at);
        if !loss.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            return Err(Error::msg("no finite loss"));
        }
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let point = Point { at: at.to_vec(), loss, gradient, norm };
        if point.is_better(&self.best.borrow()) {
            self.best.replace(point.clone());
        }
        self.last.replace(point);
        Ok(())
    }
}

impl CostFunction for &Memory<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, at: &Vec<f64>) -> Result<f64, Error> {
        self.look(at)?;
        Ok(self.last.borrow().loss)
    }
}

impl Gradient for &Memory<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, at: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.look(at)?;
        Ok(self.last.borrow().gradient.clone())
    }
}
