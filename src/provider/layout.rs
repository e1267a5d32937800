//! Where the values are in a reply to one request.

use super::definition::FieldSpec;
use super::pointer::Pointer;
use super::pointer_trie::PointerTrie;
use super::request::{Plan, Query};
use std::ops::Range;

/// Where the values are in a reply to one request: the steps to its rows, and the pointers inside a row.
///
/// Each pointer inside a row has a slot, the index at which its value is put. If there are several pointers
/// for one thing, their slots are next to each other, in the order of preference.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    /// The steps from the body to the rows.
    pub(super) rows: Vec<String>,
    /// The pointers inside a row.
    pub(super) row: PointerTrie,
    /// The number of slots.
    pub(super) slots: usize,
    /// The slot of the key. Empty if rows have no key inside.
    pub(super) key: Range<usize>,
    /// The slot of the row's error text, if there is one.
    pub(super) row_error: Range<usize>,
    /// The slots of the time. Empty if neither `age` nor the endpoint needs it.
    pub(super) time: Range<usize>,
    /// For each column of the plan the slots of its values, and how they are written. A column that this
    /// endpoint does not give has no slots.
    pub(super) columns: Vec<(Range<usize>, Option<&'a FieldSpec>)>,
}

impl<'a> Layout<'a> {
    /// `None` if a pointer has the quote of a symbol that has none.
    pub(super) fn new(plan: &Plan<'_>, query: &Query<'a>) -> Option<Self> {
        let endpoint = query.endpoint;
        // Pointers only have placeholders if each request is for one symbol.
        let symbol = &plan.symbols[*query.symbols.first()?];
        let steps = |pointer: &Pointer| pointer.steps(&plan.definition.spelling, symbol);
        let mut layout = Self { rows: steps(&endpoint.rows)?, ..Self::default() };
        let mut slots_for = |pointers: &[Pointer]| -> Option<Range<usize>> {
            let start = layout.slots;
            for pointer in pointers {
                layout.row.insert(&steps(pointer)?, layout.slots);
                layout.slots += 1;
            }
            Some(start..layout.slots)
        };
        let key = slots_for(endpoint.key.as_slice())?;
        let row_error = slots_for(endpoint.row_error.as_slice())?;
        let has_age = plan.columns.iter().any(|field| field.as_str() == "age");
        let needs_time = has_age || endpoint.needs_time();
        let time = slots_for(endpoint.time.as_ref().filter(|_| needs_time).map_or(&[], |time| &time.pointers))?;
        let mut columns = Vec::with_capacity(plan.columns.len());
        for column in &plan.columns {
            let spec = endpoint.fields.iter().find(|spec| spec.field == *column);
            columns.push((slots_for(spec.map_or(&[], |spec| &spec.pointers))?, spec));
        }
        Some(Self { key, row_error, time, columns, ..layout })
    }
}
