//! Where everything is in a reply to one request.

use super::definition::FieldSpec;
use super::json_walk::PointerTrie;
use super::pointer::Pointer;
use super::request::{Plan, Query};
use std::ops::Range;

/// Where everything is in a reply to one request: the way to the rows, and which slot of a row takes
/// which value. Several pointers for one thing have neighbouring slots, the preferred one first.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    /// The steps from the body to the rows.
    pub(super) rows: Vec<String>,
    /// The pointers inside a row.
    pub(super) row: PointerTrie,
    /// How many slots a row has.
    pub(super) slots: usize,
    pub(super) key: Range<usize>,
    pub(super) row_error: Range<usize>,
    pub(super) time: Range<usize>,
    /// For each column of the plan its slots, and how the field is written. A column that this endpoint
    /// does not give has no slots.
    pub(super) columns: Vec<(Range<usize>, Option<&'a FieldSpec>)>,
}

impl<'a> Layout<'a> {
    /// `None` if a pointer wants the quote of a symbol that has none.
    pub(super) fn new(plan: &Plan<'_>, query: &Query<'a>) -> Option<Self> {
        let endpoint = query.endpoint;
        let symbol = &plan.symbols[*query.symbols.first()?];
        let steps = |pointer: &Pointer| pointer.steps(&plan.definition.spelling, symbol);
        let mut layout = Self { rows: steps(&endpoint.rows)?, ..Self::default() };
        let mut slots_for = |pointers: &[Pointer]| -> Option<Range<usize>> {
            let begin = layout.slots;
            for pointer in pointers {
                layout.row.insert(&steps(pointer)?, layout.slots);
                layout.slots += 1;
            }
            Some(begin..layout.slots)
        };
        let key = slots_for(endpoint.key.as_slice())?;
        let row_error = slots_for(endpoint.row_error.as_slice())?;
        let wants_age = plan.columns.iter().any(|field| field.as_str() == "age");
        let time = slots_for(endpoint.time.as_ref().filter(|_| wants_age).map_or(&[], |time| &time.at))?;
        let mut columns = Vec::with_capacity(plan.columns.len());
        for column in &plan.columns {
            let spec = endpoint.fields.iter().find(|spec| spec.field == *column);
            columns.push((slots_for(spec.map_or(&[], |spec| &spec.at))?, spec));
        }
        Some(Self { key, row_error, time, columns, ..layout })
    }
}
