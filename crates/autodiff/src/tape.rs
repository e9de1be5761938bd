//! The tape: nodes, the scope that suspends recording, and a drop that never recurses.
//!
//! A node knows its parents and how to turn the gradient of its output into gradients of its inputs. It holds no
//! value: values live in the tensors and in the closures that need them, so that they die as early as they can.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::Tensor as Value;
use smallvec::SmallVec;

use crate::offer::{Offer, Offers};
use crate::{Result, Tensor};

/// The gradients that a vector-Jacobian product returns, one for each input; `None` where none was wanted.
pub type Grads = SmallVec<[Option<Tensor>; 3]>;

pub(crate) type VjpFn = dyn Fn(&Upstream<'_>) -> Result<Grads> + Send + Sync;

/// One recorded operation.
pub(crate) struct Node {
    /// Grows with time, so that every node's id is above those of its parents.
    pub(crate) id: u64,
    pub(crate) parents: SmallVec<[Option<Arc<Self>>; 3]>,
    /// `None` for a leaf.
    pub(crate) vjp: Option<Box<VjpFn>>,
    pub(crate) takes: Takes,
}

/// What a node's vector-Jacobian product does first, so that it may as well be done before.
#[derive(Debug)]
pub(crate) enum Takes {
    /// Nothing of the kind.
    Plain,
    /// It repeats one value over the tasks, so it sums over them, and takes `[1, …]` for a sum.
    TaskSum,
    /// It passes on what lies where these values are positive.
    Masked(Value),
}

// Ids order the tape in time. They carry no state that a result could depend on.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Node {
    pub(crate) fn new(parents: SmallVec<[Option<Arc<Self>>; 3]>, vjp: Option<Box<VjpFn>>, takes: Takes) -> Arc<Self> {
        Arc::new(Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), parents, vjp, takes })
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.id)
    }
}

/// What a vector-Jacobian product is given: the gradient of the loss at the op's output, and which inputs want theirs.
#[derive(Debug)]
pub struct Upstream<'a> {
    pub(crate) grad: &'a Tensor,
    pub(crate) node: &'a Arc<Node>,
    pub(crate) wanted: &'a [bool],
    /// Whether the gradient has been masked as the node would mask it.
    pub(crate) masked: bool,
    pub(crate) offers: &'a Offers<'a>,
}

impl Upstream<'_> {
    /// The gradient of the loss with respect to the output, of the output's shape.
    #[must_use]
    pub fn grad(&self) -> &Tensor {
        self.grad
    }

    /// Whether the gradient of input `i` is needed; the product may answer `None` where it is not.
    #[must_use]
    pub fn wants(&self, i: usize) -> bool {
        self.wanted.get(i).copied().unwrap_or(false)
    }

    /// Whether the gradient is zero already wherever the node would mask it.
    pub(crate) fn masked(&self) -> bool {
        self.masked
    }

    /// What the gradient of input `i` is to become, to be done in the pass that makes it. A product that asks must do so.
    pub(crate) fn accept(&self, i: usize) -> Offer {
        self.offers.accept(self.node, i)
    }

    /// The op's own output as a tracked tensor, from its saved value.
    ///
    /// A closure that held the tracked output itself would keep its node alive for ever; saving the value and asking
    /// for the node here leaves no cycle.
    #[must_use]
    pub fn output(&self, saved: &Value) -> Tensor {
        Tensor::with_node(saved.clone(), Some(Arc::clone(self.node)))
    }
}

thread_local! {
    static PAUSED: Cell<usize> = const { Cell::new(0) };
    static GARBAGE: RefCell<Garbage> = const { RefCell::new(Garbage { queue: Vec::new(), draining: false }) };
}

/// Whether operations on this thread are recorded now.
#[must_use]
pub fn is_recording() -> bool {
    PAUSED.get() == 0
}

/// A scope in which nothing is recorded: results are constants, and intermediate values die at once.
///
/// ```
/// use rekindle_autodiff::{NoRecord, Tensor};
/// let x = Tensor::scalar(2f64)?.leaf();
/// let y = {
///     let _scope = NoRecord::new();
///     x.sqr()?
/// };
/// assert!(!y.is_tracked() && x.sqr()?.is_tracked());
/// # Ok::<(), rekindle_autodiff::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "recording resumes when the scope is dropped"]
pub struct NoRecord {
    // Scopes count per thread, so a scope must end on the thread that opened it.
    not_send: std::marker::PhantomData<*const ()>,
}

impl NoRecord {
    /// Suspends recording on this thread until the scope is dropped. Scopes nest.
    pub fn new() -> Self {
        PAUSED.set(PAUSED.get() + 1);
        Self { not_send: std::marker::PhantomData }
    }
}

impl Default for NoRecord {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for NoRecord {
    fn drop(&mut self) {
        PAUSED.set(PAUSED.get() - 1);
    }
}

type Remains = (SmallVec<[Option<Arc<Node>>; 3]>, Option<Box<VjpFn>>);

struct Garbage {
    queue: Vec<Remains>,
    draining: bool,
}

impl Drop for Node {
    /// A chain of a million nodes would overflow the stack if each drop ran inside of the last one. So a dying node
    /// hands its parts to a queue; only the first one on the thread empties it.
    fn drop(&mut self) {
        let remains = (std::mem::take(&mut self.parents), self.vjp.take());
        if remains.1.is_none() && remains.0.is_empty() {
            return;
        }
        let mut remains = Some(remains);
        // After the thread's locals are gone the parts drop in place: the rare tail of a thread that ends.
        let first = GARBAGE.try_with(|garbage| {
            let mut garbage = garbage.borrow_mut();
            garbage.queue.extend(remains.take());
            !std::mem::replace(&mut garbage.draining, true)
        });
        if first == Ok(true) {
            while let Some(next) = GARBAGE.with(|garbage| garbage.borrow_mut().queue.pop()) {
                drop(next);
            }
            GARBAGE.with(|garbage| {
                let mut garbage = garbage.borrow_mut();
                garbage.draining = false;
                // One long chain should not leave a large queue behind on the thread.
                if garbage.queue.capacity() > 4096 {
                    garbage.queue = Vec::new();
                }
            });
        }
    }
}
