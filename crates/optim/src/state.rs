//! What a transformation remembers from step to step.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rekindle_autodiff::{Params, Tensor};

use crate::{Error, Result};

/// The memory of a [`Transform`](crate::Transform), as plain data: the number of updates made, named slots (each one
/// leaf a parameter, a moment for example), and the states of the parts where the transformation has parts.
///
/// One concrete type serves every transformation, so `Box<dyn Transform>` works. The leaves have the parameters'
/// shapes, hence a task axis, and may be tracked: gradients flow through them from step to step.
///
/// For a checkpoint, [`to_params`](Self::to_params) and [`from_params`](Self::from_params) turn it into named tensors
/// and back, bit for bit:
///
/// | tensor | what |
/// |---|---|
/// | `step` | number of updates, i64 `[1]` |
/// | `m.fc1.weight` | slot `m` of parameter `fc1.weight` |
/// | `0.step`, `0.m.fc1.weight` | the same of the first part |
#[derive(Clone, Debug, Default)]
pub struct State {
    step: u64,
    slots: Vec<(Cow<'static, str>, Params)>,
    children: Vec<Self>,
}

const STEP: &str = "step";

impl State {
    /// Step 0, nothing remembered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more slot. Names are short words without a dot, and no numbers.
    #[must_use]
    pub fn with_slot(mut self, name: impl Into<Cow<'static, str>>, values: Params) -> Self {
        self.slots.push((name.into(), values));
        self
    }

    /// The same with the states of the parts.
    #[must_use]
    pub fn with_children(mut self, children: Vec<Self>) -> Self {
        self.children = children;
        self
    }

    /// One step later than `self`, with the slots and parts still to be put in.
    #[must_use]
    pub fn advance(&self) -> Self {
        Self { step: self.step + 1, ..Self::default() }
    }

    /// The same slots as they stand before update `step`, those of the parts included. An inner loop that keeps only
    /// the leaves from step to step puts its count back with this.
    #[must_use]
    pub fn at_step(mut self, step: u64) -> Self {
        self.step = step;
        self.children = self.children.into_iter().map(|child| child.at_step(step)).collect();
        self
    }

    /// The number of updates made so far.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// One slot.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn slot(&self, name: &str) -> Result<&Params> {
        self.slots.iter().find(|(n, _)| n == name).map(|(_, values)| values).ok_or_else(|| Error::MissingSlot {
            name: name.to_owned(),
            available: self.slots.iter().map(|(n, _)| n.as_ref()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The states of the parts.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The states of the parts, of which there must be as many as `transform` has.
    pub(crate) fn children_of(&self, transform: &'static str, expected: usize) -> Result<&[Self]> {
        if self.children.len() != expected {
            return Err(Error::Children { transform, expected, found: self.children.len() });
        }
        Ok(&self.children)
    }

    /// The state with every slot mapped, those of the parts included: `state.map(|slot| slot.expand_tasks(25))`.
    ///
    /// # Errors
    /// Whatever `f` answers.
    pub fn map(&self, f: impl Fn(&Params) -> rekindle_autodiff::Result<Params>) -> Result<Self> {
        self.map_dyn(&f)
    }

    // Recursion through a generic closure type would not end; through a trait object it does.
    fn map_dyn(&self, f: &dyn Fn(&Params) -> rekindle_autodiff::Result<Params>) -> Result<Self> {
        let slots = self.slots.iter().map(|(name, slot)| Ok((name.clone(), f(slot)?))).collect::<Result<_>>()?;
        let children = self.children.iter().map(|child| child.map_dyn(f)).collect::<Result<_>>()?;
        Ok(Self { step: self.step, slots, children })
    }

    /// The state as constants, cut off from its history.
    ///
    /// # Errors
    /// Never, for the states that transformations make.
    pub fn detach(&self) -> Result<Self> {
        self.map(|slot| Ok(slot.detach()))
    }

    /// Every leaf of every slot, under the names of the table above, without the steps. With
    /// [`with_leaves`](Self::with_leaves) this lets one differentiate with respect to a state.
    ///
    /// # Errors
    /// If a slot's name has a dot or is a number.
    pub fn leaves(&self) -> Result<Params> {
        let mut named = Vec::new();
        self.collect("", &mut named)?;
        Ok(Params::new(named)?)
    }

    fn collect(&self, path: &str, named: &mut Vec<(String, Tensor)>) -> Result<()> {
        for (slot, values) in &self.slots {
            check_slot_name(slot)?;
            named.extend(values.iter().map(|(name, leaf)| (format!("{path}{slot}.{name}"), leaf.clone())));
        }
        self.children.iter().enumerate().try_for_each(|(i, child)| child.collect(&format!("{path}{i}."), named))
    }

    /// The same steps and slots with other leaves, as [`leaves`](Self::leaves) gave them.
    ///
    /// # Errors
    /// If names are missing or too many.
    pub fn with_leaves(&self, leaves: &Params) -> Result<Self> {
        leaves.check_like(&self.leaves()?)?;
        self.refill(&mut leaves.leaves().iter())
    }

    fn refill(&self, leaves: &mut std::slice::Iter<'_, Tensor>) -> Result<Self> {
        let mut slots = Vec::with_capacity(self.slots.len());
        for (name, slot) in &self.slots {
            slots.push((name.clone(), slot.with_leaves(leaves.take(slot.len()).cloned().collect())?));
        }
        let children = self.children.iter().map(|child| child.refill(leaves)).collect::<Result<_>>()?;
        Ok(Self { step: self.step, slots, children })
    }

    /// The whole state as named tensors, for a checkpoint.
    ///
    /// # Errors
    /// If a slot's name has a dot or is a number.
    pub fn to_params(&self) -> Result<Params> {
        let mut named = Vec::new();
        self.collect_steps("", &mut named)?;
        self.collect("", &mut named)?;
        Ok(Params::new(named)?)
    }

    fn collect_steps(&self, path: &str, named: &mut Vec<(String, Tensor)>) -> Result<()> {
        let step = i64::try_from(self.step).expect("no run makes 2⁶³ steps");
        named.push((format!("{path}{STEP}"), Tensor::from_vec(vec![step], 1)?));
        self.children.iter().enumerate().try_for_each(|(i, child)| child.collect_steps(&format!("{path}{i}."), named))
    }

    /// The state that [`to_params`](Self::to_params) turned into tensors. The order of the tensors of one slot is kept.
    ///
    /// # Errors
    /// If these are not the tensors of a state.
    pub fn from_params(stored: &Params) -> Result<Self> {
        Self::parse(stored.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect())
    }

    fn parse(stored: Vec<(String, Tensor)>) -> Result<Self> {
        let mut state = Self::new();
        let mut steps = 0;
        let mut slots: Vec<(String, Vec<(String, Tensor)>)> = Vec::new();
        let mut children: BTreeMap<usize, Vec<(String, Tensor)>> = BTreeMap::new();
        for (name, tensor) in stored {
            let Some((head, rest)) = name.split_once('.') else {
                state.step = parse_step(&name, &tensor)?;
                steps += 1;
                continue;
            };
            let rest = rest.to_owned();
            match head.parse() {
                Ok(child) => children.entry(child).or_default().push((rest, tensor)),
                Err(_) => match slots.iter_mut().find(|(slot, _)| slot == head) {
                    Some((_, values)) => values.push((rest, tensor)),
                    None => slots.push((head.to_owned(), vec![(rest, tensor)])),
                },
            }
        }
        if steps != 1 || children.keys().copied().ne(0..children.len()) {
            let message = "the tensor is missing, or parts are; was this written by `State::to_params`?";
            return Err(Error::NotAState { name: STEP.to_owned(), message: message.to_owned() });
        }
        for (slot, values) in slots {
            state.slots.push((slot.into(), Params::new(values)?));
        }
        state.children = children.into_values().map(Self::parse).collect::<Result<_>>()?;
        Ok(state)
    }
}

fn check_slot_name(slot: &str) -> Result<()> {
    if slot.is_empty() || slot.contains('.') || slot.parse::<usize>().is_ok() {
        let message = "a slot's name is a word without a dot, and no number".to_owned();
        return Err(Error::NotAState { name: slot.to_owned(), message });
    }
    Ok(())
}

fn parse_step(name: &str, tensor: &Tensor) -> Result<u64> {
    let refuse = |message: String| Err(Error::NotAState { name: name.to_owned(), message });
    if name != STEP {
        return refuse(format!("only `{STEP}` stands without a slot"));
    }
    let steps = match tensor.dtype() {
        candle_core::DType::I64 => tensor.value().flatten_all()?.to_vec1::<i64>()?,
        other => return refuse(format!("it is stored as {other:?}, not I64")),
    };
    match steps.as_slice() {
        [step] if *step >= 0 => Ok(step.unsigned_abs()),
        other => refuse(format!("it holds {other:?}, not one number of at least 0")),
    }
}
