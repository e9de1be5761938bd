//! Directed graphs without cycles: which leaves are below each node.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

/// A node of WordNet.
#[derive(Deserialize)]
pub(super) struct Node {
    wn_id: String,
    children_ids: Vec<String>,
}

/// What is below the nodes of a graph, as sorted class numbers.
pub(super) struct Spans {
    /// All leaves.
    pub(super) leaves: Vec<usize>,
    /// The leaves below each inner node, in the order of the nodes.
    pub(super) inner: Vec<Vec<usize>>,
}

/// Leaves below each node; `number` gives the class of a leaf.
pub(super) fn spans(graph: &[Node], number: &HashMap<String, usize>) -> Result<Spans, String> {
    let position: HashMap<&str, usize> = graph.iter().enumerate().map(|(i, node)| (node.wn_id.as_str(), i)).collect();
    let children = |node: &Node| -> Result<Vec<usize>, String> {
        let find = |id: &String| position.get(id.as_str()).copied();
        let child = |id| find(id).ok_or_else(|| format!("node {} has the child {id}, which is no node", node.wn_id));
        node.children_ids.iter().map(child).collect()
    };
    let children: Vec<Vec<usize>> = graph.iter().map(children).collect::<Result<_, _>>()?;
    let mut below: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); graph.len()];
    for node in upwards(&children)? {
        let union = match children[node].as_slice() {
            [] => {
                let name = &graph[node].wn_id;
                BTreeSet::from([*number.get(name).ok_or_else(|| format!("leaf {name} is no class"))?])
            }
            children => children.iter().flat_map(|&child| below[child].iter().copied()).collect(),
        };
        below[node] = union;
    }
    let is_leaf = |node: &usize| children[*node].is_empty();
    let leaves: BTreeSet<usize> = (0..graph.len()).filter(is_leaf).flat_map(|node| below[node].clone()).collect();
    let inner = (0..graph.len()).filter(|node| !is_leaf(node)).map(|node| below[node].iter().copied().collect());
    Ok(Spans { inner: inner.collect(), leaves: leaves.into_iter().collect() })
}

/// The nodes in an order in which children come before their parents.
fn upwards(children: &[Vec<usize>]) -> Result<Vec<usize>, String> {
    let mut parents = vec![Vec::new(); children.len()];
    for (node, children) in children.iter().enumerate() {
        children.iter().for_each(|&child| parents[child].push(node));
    }
    let mut waiting: Vec<usize> = children.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..children.len()).filter(|&node| waiting[node] == 0).collect();
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        for &parent in &parents[node] {
            waiting[parent] -= 1;
            if waiting[parent] == 0 {
                order.push(parent);
            }
        }
    }
    if order.len() < children.len() { Err("its graph has a cycle".into()) } else { Ok(order) }
}
