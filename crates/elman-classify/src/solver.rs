use std::cell::{Cell, RefCell};

use argmin::{
    core::{CostFunction, Error, Executor, Gradient, IterState, State},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};

use crate::{error::ClassifyError, objective::Objective};

/// L-BFGS history size, the same as scikit-learn's.
const HISTORY_SIZE: usize = 10;

/// Average evaluations per iteration beyond which the line search is considered stuck.
const MAX_EVALUATIONS_PER_ITERATION: u64 = 20;

/// The result of the solver.
pub(crate) struct Minimum {
    pub(crate) parameters: Vec<f64>,
    pub(crate) iterations: u64,
    /// Whether the norm of the gradient is at most the tolerance.
    pub(crate) converged: bool,
}

/// Minimizes the loss by L-BFGS, starting from zeros.
pub(crate) fn minimize(objective: &Objective, tolerance: f64, iterations: u64) -> Result<Minimum, ClassifyError> {
    let start = vec![0.0; objective.num_parameters()];
    let cached = CachedObjective {
        objective,
        last: RefCell::default(),
        best: RefCell::new(Point { loss: f64::INFINITY, norm: f64::INFINITY, ..Point::default() }),
        evaluations_left: Cell::new(iterations.saturating_mul(MAX_EVALUATIONS_PER_ITERATION).saturating_add(1)),
    };
    // the loss tolerance is 0: rounding can stall the loss some iterations before the gradient is small
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), HISTORY_SIZE)
        .with_tolerance_grad(tolerance)
        .and_then(|solver| solver.with_tolerance_cost(0.0))
        .expect("tolerances are not negative");
    let run = Executor::new(&cached, solver)
        .configure(|state: IterState<_, _, (), (), (), _>| state.param(start).max_iters(iterations))
        .ctrlc(false)
        .run();
    // if rounding makes a line search fail, the best point so far is as good as the precision allows
    let iterations = run.map_or(0, |result| result.state.get_iter());
    let best = cached.best.into_inner();
    if best.at.is_empty() {
        return Err(ClassifyError::Diverged);
    }
    Ok(Minimum { parameters: best.at, iterations, converged: best.norm <= tolerance })
}

/// The objective with a cache of the last evaluation: the solver requests loss and gradient of a point separately.
struct CachedObjective<'a> {
    objective: &'a Objective<'a>,
    last: RefCell<Point>,
    best: RefCell<Point>,
    evaluations_left: Cell<u64>,
}

#[derive(Clone, Default)]
struct Point {
    at: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
    norm: f64,
}

impl Point {
    /// Near the minimum, losses are equal up to rounding; then the smaller gradient is better.
    fn is_better(&self, best: &Self) -> bool {
        const ROUNDING: f64 = 4.0 * f64::EPSILON;
        let not_worse = self.loss <= best.loss * (1.0 + ROUNDING);
        self.loss < best.loss * (1.0 - ROUNDING) || (not_worse && self.norm < best.norm)
    }
}

impl CachedObjective<'_> {
    fn evaluate(&self, at: &[f64]) -> Result<(), Error> {
        if self.last.borrow().at == at {
            return Ok(());
        }
        let left = self.evaluations_left.get().checked_sub(1).ok_or_else(|| Error::msg("too many evaluations"))?;
        self.evaluations_left.set(left);
        let (loss, gradient) = self.objective.evaluate(at);
        if !loss.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            return Err(Error::msg("the loss is not finite"));
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

impl CostFunction for &CachedObjective<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, at: &Vec<f64>) -> Result<f64, Error> {
        self.evaluate(at)?;
        Ok(self.last.borrow().loss)
    }
}

impl Gradient for &CachedObjective<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, at: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.evaluate(at)?;
        Ok(self.last.borrow().gradient.clone())
    }
}
