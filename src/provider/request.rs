//! From the symbols and fields of a feed to the requests to a provider.

use super::body::BodyTemplate;
use super::definition::{Definition, Endpoint};
use super::header::is_harmless_header;
use super::request_values::RequestValues;
use super::spelling::SymbolPart;
use super::template::Template;
use crate::http::request::Request;
use crate::market::field::Field;
use crate::market::number::Number;
use crate::market::symbol::{Symbol, join_names};
use crate::secret::{Secret, Secrets};
use crate::util::group_by::group_by;
use crate::util::hash::{all_differ, hash_of};
use jiff::Timestamp;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hash;

/// Which requests one provider gets for one feed, and which values its replies are read for.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The provider.
    pub(crate) definition: &'a Definition,
    /// The symbols of the feed.
    pub(crate) symbols: &'a [Symbol],
    /// The fields that replies are read for: all fields of the feed in their order, then the fields that
    /// are only needed to compute one of them.
    pub(crate) columns: Vec<Field>,
    /// How many of the columns are fields of the feed. They come first.
    pub(crate) field_count: usize,
    /// Whether a wanted field may have to be computed.
    computes: bool,
    /// The endpoints that give the wanted fields.
    endpoints: Vec<&'a Endpoint>,
    /// The secrets of all providers, by their names.
    pub(super) secrets: &'a BTreeMap<String, Secret>,
    /// When the run started.
    now: Timestamp,
}

/// One request of a plan, and how its reply is read.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    /// How the reply is read.
    pub(crate) endpoint: &'a Endpoint,
    /// The symbols in the request, as indexes of symbols of the feed.
    pub(crate) symbols: Vec<usize>,
    /// The API's spellings of these symbols, in the same order.
    pub(crate) spelled: Vec<Cow<'a, str>>,
    /// The request.
    pub(crate) request: Request,
}

impl<'a> Plan<'a> {
    /// A plan for the `fields` of a feed. `wanted` says of each field whether it is wanted of this
    /// provider. Endpoints that give no wanted field are not in the plan. `started` is when the run started, in
    /// Unix seconds.
    pub(crate) fn new(
        definition: &'a Definition,
        symbols: &'a [Symbol],
        fields: &[Field],
        wanted: &[bool],
        secrets: &'a BTreeMap<String, Secret>,
        started: i64,
    ) -> Self {
        let now = Timestamp::from_second(started).unwrap_or_default();
        let mut columns = fields.to_vec();
        let wanted_field = |(field, is_wanted): (&Field, &bool)| is_wanted.then(|| field.clone());
        let mut needed: Vec<Field> = fields.iter().zip(wanted).filter_map(wanted_field).collect();
        let computes = needed.iter().any(|field| definition.computes(field));
        if computes {
            for field in Field::new("last").into_iter().chain(definition.change_from.clone()) {
                for list in [&mut columns, &mut needed] {
                    if !list.contains(&field) {
                        list.push(field.clone());
                    }
                }
            }
        }
        let endpoints = needed_endpoints(&definition.endpoints, &needed);
        Self { definition, symbols, columns, field_count: fields.len(), computes, endpoints, secrets, now }
    }

    /// The requests for these symbols of the feed. Symbols that the API cannot spell are left out: those
    /// without a quote if the spelling has one, and those such as `..` that would change the path.
    pub(crate) fn queries(&self, symbols: &[usize]) -> Vec<Query<'a>> {
        let mut queries = Vec::new();
        for endpoint in &self.endpoints {
            for group in self.groups(endpoint, symbols) {
                let size = match endpoint.batch {
                    _ if endpoint.is_single() => 1,
                    0 => usize::MAX,
                    batch => batch,
                };
                queries.extend(group.chunks(size).map(|symbols| self.query(endpoint, symbols)));
            }
        }
        queries
    }

    /// The query for some of the symbols of another query.
    pub(crate) fn part(&self, query: &Query<'a>, symbols: &[usize]) -> Query<'a> {
        self.query(query.endpoint, symbols)
    }

    /// The query for everything, which brings the symbols of another query too. `None` if the API has no
    /// path for that.
    pub(crate) fn all(&self, query: &Query<'a>) -> Option<Query<'a>> {
        let path = query.endpoint.all.as_ref()?;
        let none = self.values(query.endpoint, &[], &[]);
        let about = "all symbols".to_owned();
        let request = Request { about, ..self.request(path, None, &none) };
        let (endpoint, symbols, spelled) = (query.endpoint, query.symbols.clone(), query.spelled.clone());
        Some(Query { endpoint, symbols, spelled, request })
    }

    /// The query for the list of symbols of the provider, or for those that fit a text.
    pub(crate) fn list_query(&self, endpoint: &'a Endpoint, search_text: &str) -> Query<'a> {
        let values = RequestValues { search_text, ..self.values(endpoint, &[], &[]) };
        let about = "its symbols".to_owned();
        let request = Request { about, ..self.request(&endpoint.path, None, &values) };
        Query { endpoint, symbols: Vec::new(), spelled: Vec::new(), request }
    }

    /// The API's spelling of a symbol of the feed. `None` if it has none.
    pub(crate) fn spell(&self, symbol: usize) -> Option<Cow<'a, str>> {
        self.definition.symbol.spell(&self.definition.spelling, &self.symbols[symbol])
    }

    /// The names of the secrets that are in the requests.
    pub(crate) fn keys_sent(&self) -> Vec<&'a str> {
        self.definition.all_secrets().into_keys().filter(|name| self.secrets.contains_key(*name)).collect()
    }

    /// Where the rows of the first endpoint are.
    pub(crate) fn rows_pointer(&self) -> &'a str {
        self.endpoints.first().map_or("", |endpoint| endpoint.rows.as_str())
    }

    /// The query for these symbols, which must be of one group.
    fn query(&self, endpoint: &'a Endpoint, indexes: &[usize]) -> Query<'a> {
        let spelling = &self.definition.spelling;
        let symbols: Vec<&'a Symbol> = indexes.iter().map(|index| &self.symbols[*index]).collect();
        let spelled: Vec<Cow<'a, str>> =
            symbols.iter().map(|symbol| self.definition.symbol.spell(spelling, symbol).unwrap_or_default()).collect();
        let request = self.request(&endpoint.path, endpoint.body.as_ref(), &self.values(endpoint, &symbols, &spelled));
        Query { endpoint, symbols: indexes.to_vec(), spelled, request }
    }

    fn values<'v>(
        &'v self,
        endpoint: &'v Endpoint,
        symbols: &'v [&'v Symbol],
        spelled: &'v [Cow<'v, str>],
    ) -> RequestValues<'v> {
        RequestValues {
            symbols,
            spelled,
            spelling: &self.definition.spelling,
            join: &endpoint.join,
            search_text: "",
            secrets: self.secrets,
            now: self.now,
            time_zone: &endpoint.time_zone,
        }
    }

    /// The symbols that the API can spell, in groups that a request may have together.
    fn groups(&self, endpoint: &Endpoint, symbols: &[usize]) -> Vec<Vec<usize>> {
        let (by_base, by_quote) = (endpoint.has(SymbolPart::Base), endpoint.has(SymbolPart::Quote));
        let can_ask = self.can_ask(endpoint);
        let spellable: Vec<usize> = symbols.iter().copied().filter(|symbol| can_ask(*symbol)).collect();
        if !by_base && !by_quote {
            return vec![spellable];
        }
        let with_key = |index: usize| (group_key(&self.symbols[index], by_base, by_quote), index);
        group_by(spellable.into_iter().map(with_key)).into_iter().map(|(_, group)| group).collect()
    }

    /// Whether any request can be for this symbol.
    pub(crate) fn has_request_for(&self, symbol: usize) -> bool {
        self.endpoints.iter().any(|endpoint| self.can_ask(endpoint)(symbol))
    }

    /// Whether a request to an endpoint can be for a symbol.
    fn can_ask(&self, endpoint: &Endpoint) -> impl Fn(usize) -> bool {
        let needs_quote = endpoint.has(SymbolPart::Quote) || self.definition.symbol.has(SymbolPart::Quote);
        let has_no_symbols = endpoint.has_no_symbols();
        move |index| {
            let symbol = &self.symbols[index];
            (!needs_quote || symbol.quote().is_some())
                && (has_no_symbols || self.fits_path(&endpoint.path, symbol))
                && self.definition.base_url.has(symbol.as_str())
        }
    }

    /// Whether the API can spell a symbol, and no server would take it for a step in the path.
    fn fits_path(&self, path: &Template, symbol: &Symbol) -> bool {
        let (template, spelling) = (&self.definition.symbol, &self.definition.spelling);
        template.spell(spelling, symbol).is_some_and(|spelled| !path.has_dot_segment(spelling, symbol, &spelled))
    }

    fn request(&self, path: &Template, body: Option<&BodyTemplate>, values: &RequestValues<'_>) -> Request {
        let definition = self.definition;
        let base_url = definition.base_url.of(values.symbols.first().map(|symbol| symbol.as_str()));
        let (path, redacted_path) = values.path(path);
        let mut headers: Vec<(String, Secret)> = Vec::with_capacity(definition.headers.len() + 2);
        for (name, template) in &definition.headers {
            if let Some(value) = template.header_value(self.secrets) {
                headers.push((name.clone(), value));
            }
        }
        if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".to_owned(), Secret::new("application/json")));
        }
        let mut secrets: Vec<Secret> =
            definition.all_secrets().keys().filter_map(|name| self.secrets.get(*name)).cloned().collect();
        secrets.extend(base_url.path_secrets());
        // Somebody may have written a key there as it is.
        let is_key = |(name, template): &&(String, Template)| template.is_literal() && !is_harmless_header(name);
        secrets
            .extend(definition.headers.iter().filter(is_key).filter_map(|(_, value)| value.header_value(self.secrets)));
        let is_authorized = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let Some(credentials) = base_url.credentials.as_ref().filter(|_| !is_authorized) {
            headers.push(("Authorization".to_owned(), credentials.basic()));
            secrets.extend(credentials.secrets());
        }
        Request {
            server: base_url.server(),
            path: Secret::new(format!("{}{path}", base_url.path)),
            redacted_path: format!("{}{redacted_path}", base_url.redacted_path()),
            about: join_names(values.symbols.iter().copied()),
            headers,
            body: body.map(|body| body.fill(values).to_string().into_bytes()),
            max_body: definition.max_body,
            identity: None,
            remaining: definition.remaining.clone(),
            secrets: Secrets::from_iter(secrets),
        }
    }

    /// Computes `change` and `change_percent` of a symbol if they are wanted and the API did not give
    /// them. `values` is the row of the symbol, one value per column.
    pub(crate) fn complete(&self, symbol: &Symbol, values: &mut [Option<Number>]) {
        if !self.computes {
            return;
        }
        let column = |name: &str| self.columns.iter().position(|field| field.as_str() == name);
        let change_from = self.definition.change_from.as_ref();
        let from_column = change_from.and_then(|field| column(field.as_str()));
        let (Some(last_column), Some(from_column)) = (column("last"), from_column) else { return };
        let (Some(last), Some(from)) = (values[last_column], values[from_column]) else { return };
        for name in ["change", "change_percent"] {
            let Some(index) = column(name).filter(|index| values[*index].is_none()) else { continue };
            values[index] = if name == "change" { last.change(from) } else { last.change_percent(from) };
            if let Some(value) = values[index] {
                log::debug!("{symbol}: {name}: {value} computed");
            }
        }
    }
}

impl Definition {
    /// Two symbols that may be in one request and that the API spells the same, so that nothing tells
    /// their rows apart.
    pub(crate) fn find_ambiguous<'s>(&self, symbols: &'s [Symbol]) -> Option<(&'s Symbol, &'s Symbol)> {
        let keys = self.request_keys()?;
        let key = |symbol: &'s Symbol| keys.of(symbol);
        if all_differ(symbols.len(), symbols.iter().filter_map(key).map(|key| hash_of(&key))) {
            return None;
        }
        let mut symbol_of = FxHashMap::default();
        symbols.iter().find_map(|symbol| Some((symbol_of.insert(key(symbol)?, symbol)?, symbol)))
    }

    /// What tells symbols apart in one request. `None` if nothing can be wrong with that: symbols are spelled as
    /// they are, or asked for one by one.
    pub(crate) fn request_keys(&self) -> Option<RequestKeys<'_>> {
        if self.symbol.is_canonical(&self.spelling) || self.endpoints.iter().all(Endpoint::is_single) {
            return None;
        }
        let every_batch_has = |part| {
            let mut batched = self.endpoints.iter().filter(|endpoint| !endpoint.is_single());
            batched.all(|endpoint| endpoint.has(part))
        };
        let (by_base, by_quote) = (every_batch_has(SymbolPart::Base), every_batch_has(SymbolPart::Quote));
        Some(RequestKeys { definition: self, by_base, by_quote })
    }
}

/// What tells symbols apart in the requests to a provider.
pub(crate) struct RequestKeys<'a> {
    definition: &'a Definition,
    by_base: bool,
    by_quote: bool,
}

impl RequestKeys<'_> {
    /// The key of a symbol. Of two symbols with the same key nothing tells the rows apart. `None` if the API
    /// cannot be asked for the symbol.
    pub(crate) fn of<'s>(&self, symbol: &'s Symbol) -> Option<impl Hash + Eq + use<'s>> {
        let spelled = self.definition.symbol.spell(&self.definition.spelling, symbol)?;
        Some((group_key(symbol, self.by_base, self.by_quote), spelled))
    }
}

/// What all symbols of one request have in common if its path has their base or their quote.
fn group_key(symbol: &Symbol, by_base: bool, by_quote: bool) -> (Option<&str>, Option<&str>) {
    (by_base.then(|| symbol.base()), symbol.quote().filter(|_| by_quote))
}

/// As few endpoints as give all these fields: each that is the only one to give a field, and then, for
/// each field that is still missing, the first one that gives it.
fn needed_endpoints<'a>(endpoints: &'a [Endpoint], fields: &[Field]) -> Vec<&'a Endpoint> {
    let mut is_needed = vec![false; endpoints.len()];
    let giving =
        |field: &Field| -> Vec<usize> { (0..endpoints.len()).filter(|index| endpoints[*index].gives(field)).collect() };
    for field in fields {
        if let [only] = giving(field)[..] {
            is_needed[only] = true;
        }
    }
    for field in fields {
        let giving = giving(field);
        if let Some(first) = giving.first().filter(|_| !giving.iter().any(|index| is_needed[*index])) {
            is_needed[*first] = true;
        }
    }
    endpoints.iter().zip(is_needed).filter(|(_, is_needed)| *is_needed).map(|(endpoint, _)| endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::url::Url;
    use crate::provider::BaseUrl;
    use crate::provider::testing::{definition, symbols};

    /// The paths of the requests for all these symbols and all fields.
    fn paths(text: &str, names: &[&str]) -> Vec<String> {
        let (definition, symbols, secrets) = (definition(text), symbols(names), BTreeMap::new());
        let fields = definition.fields();
        let plan = Plan::new(&definition, &symbols, &fields, &vec![true; fields.len()], &secrets, 0);
        let indexes: Vec<usize> = (0..symbols.len()).collect();
        plan.queries(&indexes).iter().map(|query| query.request.path.expose().to_owned()).collect()
    }

    fn endpoint(path: &str, batch: usize) -> String {
        format!("[[quote]]\npath = '{path}'\nbatch = {batch}\nfields = {{ last = '/l' }}\n")
    }

    #[test]
    fn symbols_are_divided_into_batches() {
        let names = ["A", "B", "C", "D", "E"];
        assert_eq!(paths(&endpoint("/?s={symbols}", 2), &names), ["/?s=A,B", "/?s=C,D", "/?s=E"]);
        assert_eq!(paths(&endpoint("/?s={symbols}", 5), &names), ["/?s=A,B,C,D,E"]);
        assert_eq!(paths(&endpoint("/?s={symbols}", 0), &names), ["/?s=A,B,C,D,E"]);
    }

    #[test]
    fn a_path_with_one_symbol_makes_a_request_for_each() {
        assert_eq!(paths(&endpoint("/{symbol}", 100), &["A", "B"]), ["/A", "/B"]);
        assert_eq!(paths(&endpoint("/{base}-{quote}", 100), &["A/X", "B/X"]), ["/A-X", "/B-X"]);
    }

    #[test]
    fn symbols_are_grouped_by_the_base_or_quote_in_the_path() {
        let names = ["A/X", "B/Y", "C/X", "D/X"];
        assert_eq!(paths(&endpoint("/{quote}", 0), &names), ["/X", "/Y"]);
        let batches = ["/X?s=A%2FX,C%2FX", "/X?s=D%2FX", "/Y?s=B%2FY"];
        assert_eq!(paths(&endpoint("/{quote}?s={symbols}", 2), &names), batches);
        assert_eq!(paths(&endpoint("/{base:lower}", 0), &["A/X", "A/Y"]), ["/a"]);
        let batches = ["/A?s=A%2FX,A%2FY", "/B?s=B%2FX"];
        assert_eq!(paths(&endpoint("/{base}?s={symbols}", 0), &["A/X", "B/X", "A/Y"]), batches);
    }

    #[test]
    fn a_path_without_symbols_makes_one_request() {
        assert_eq!(paths(&endpoint("/all", 0), &["A", "B"]), ["/all"]);
        assert!(paths(&endpoint("/all", 0), &[]).is_empty());
    }

    #[test]
    fn symbols_that_cannot_be_spelled_are_in_no_request() {
        assert_eq!(paths(&endpoint("/{quote}?s={symbols}", 0), &["A", "B/X"]), ["/X?s=B%2FX"]);
        let pairs = format!("symbol = '{{base}}{{quote}}'\n{}", endpoint("/?s={symbols}", 0));
        assert_eq!(paths(&pairs, &["A", "B/X"]), ["/?s=BX"]);
        assert_eq!(paths(&endpoint("/{symbol}", 0), &["..", "A", "."]), ["/A"]);
    }

    #[test]
    fn a_part_of_a_query_asks_for_a_part_of_its_symbols() {
        let (definition, symbols) = (definition(&endpoint("/?s={symbols}", 0)), symbols(&["A", "B", "C"]));
        let (fields, secrets) = (definition.fields(), BTreeMap::new());
        let plan = Plan::new(&definition, &symbols, &fields, &[true], &secrets, 0);
        let part = plan.part(&plan.queries(&[0, 1, 2])[0], &[1, 2]);
        assert_eq!((part.symbols, part.request.path.expose()), (vec![1, 2], "/?s=B,C"));
    }

    const TWO_ENDPOINTS: &str = "[[quote]]\npath = '/a/{symbol}'\nfields = { last = '/l', bid = '/b' }\n\
        [[quote]]\npath = '/b/{symbol}'\nfields = { last = '/l', open = '/o', high = '/h' }\n";

    #[test]
    fn only_the_endpoints_that_are_needed_for_the_fields_are_in_a_plan() {
        let definition = definition(TWO_ENDPOINTS);
        let field_counts = |fields: &[&str]| {
            let fields: Vec<Field> = fields.iter().filter_map(|name| Field::new(name)).collect();
            let needed = needed_endpoints(&definition.endpoints, &fields);
            needed.iter().map(|endpoint| endpoint.fields.len()).collect::<Vec<_>>()
        };
        // The first endpoint has two fields, the second one has three.
        assert_eq!(field_counts(&["last"]), [2], "the first of two that give it");
        assert_eq!(field_counts(&["last", "high"]), [3], "the one that gives both");
        assert_eq!(field_counts(&["bid", "last", "open"]), [2, 3]);
        assert!(field_counts(&["volume"]).is_empty());
    }

    #[test]
    fn a_plan_reads_the_fields_from_which_a_change_is_computed() {
        let (definition, symbols, secrets) = (definition(TWO_ENDPOINTS), symbols(&["A/X"]), BTreeMap::new());
        let fields = ["bid", "change", "change_percent"].map(|name| Field::new(name).unwrap());
        let columns = |wanted: [bool; 3]| {
            let plan = Plan::new(&definition, &symbols, &fields, &wanted, &secrets, 0);
            let columns = plan.columns.iter().map(|field| field.as_str().to_owned()).collect::<Vec<_>>();
            (columns.join(" "), plan.field_count, plan.queries(&[0]).len())
        };
        assert_eq!(columns([true; 3]), ("bid change change_percent last open".to_owned(), 3, 2));
        assert_eq!(columns([true, false, false]), ("bid change change_percent".to_owned(), 3, 1));
    }

    #[test]
    fn a_change_that_the_api_did_not_give_is_computed() {
        let (definition, symbols, secrets) = (definition(TWO_ENDPOINTS), symbols(&["A/X"]), BTreeMap::new());
        let fields = ["change", "change_percent", "last"].map(|name| Field::new(name).unwrap());
        let plan = Plan::new(&definition, &symbols, &fields, &[true; 3], &secrets, 0);
        let complete = |values: [Option<&str>; 4]| {
            let mut values = values.map(|value| value.and_then(Number::parse));
            plan.complete(&symbols[0], &mut values);
            values.map(|value| value.map(|number| number.to_string())).map(Option::unwrap_or_default)
        };
        // The columns are the fields and `open`.
        assert_eq!(complete([None, None, Some("5"), Some("4")]), ["1", "25", "5", "4"]);
        assert_eq!(complete([Some("9"), None, Some("5"), Some("4")]), ["9", "25", "5", "4"]);
        assert_eq!(complete([None, None, Some("5"), None]), ["", "", "5", ""]);
    }

    #[test]
    fn symbols_with_the_same_spelling_in_one_request_are_ambiguous() {
        let ambiguous = |text: &str, names: &[&str]| {
            let (definition, symbols) = (definition(text), symbols(names));
            definition.find_ambiguous(&symbols).map(|(a, b)| [a.to_string(), b.to_string()])
        };
        let names = ["X/Y", "AB/C", "A/BC"];
        let pairs = |path: &str| format!("symbol = '{{base}}{{quote}}'\n{}", endpoint(path, 0));
        assert_eq!(ambiguous(&pairs("/?s={symbols}"), &names), Some(["AB/C".to_owned(), "A/BC".to_owned()]));
        assert_eq!(ambiguous(&pairs("/{symbol}"), &names), None, "each request is for one symbol");
        assert_eq!(ambiguous(&pairs("/{quote}?s={symbols}"), &names), None, "their quotes differ");
        assert_eq!(ambiguous(&endpoint("/?s={symbols}", 0), &names), None, "canonical spellings differ");
        let lower = format!("symbol = '{{symbol:lower}}'\n{}", endpoint("/?s={symbols}", 0));
        assert_eq!(ambiguous(&lower, &["b", "a", "A"]), Some(["a".to_owned(), "A".to_owned()]));
    }

    #[test]
    fn a_header_may_be_a_secret_and_only_a_body_has_a_type() {
        let request = |text: &str| {
            let (definition, symbols) = (definition(text), symbols(&["A"]));
            let secrets = BTreeMap::from([("T".to_owned(), Secret::new("token"))]);
            let plan = Plan::new(&definition, &symbols, &definition.fields(), &[true], &secrets, 0);
            plan.queries(&[0]).remove(0).request
        };
        let path = endpoint("/{symbol}", 1);
        let with_body = format!("{path}body = {{ s = '{{symbol}}' }}\n");
        let names = |text: &str| request(text).headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&path), [""; 0]);
        assert_eq!(names(&with_body), ["Content-Type"]);
        assert_eq!(names(&format!("headers = {{ content-type = 'a/b' }}\n{with_body}")), ["content-type"]);
        // What is written there as it is may be a key, unless nobody has one in such a header.
        let headers = "headers = { Accept = '*/*', X-Key = 'literal', X-Token = 'Bearer {secret:T}' }\n";
        let secrets = request(&format!("{headers}{path}")).secrets;
        assert_eq!(secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["token", "literal"]);
    }

    #[test]
    fn what_a_plan_asks_for_and_sends_is_known() {
        let text = "symbol = '{base}{quote}'\nheaders = { X = '{secret:SENT}{secret?:ABSENT}' }\n\
            [[quote]]\npath = '/?s={symbols}'\nall = '/all'\nrows = '/d'\nfields = { last = '/l' }\n";
        let (definition, symbols) = (definition(text), symbols(&["A/X", "B/X"]));
        let secrets = BTreeMap::from([("SENT".to_owned(), Secret::new("s"))]);
        let plan = Plan::new(&definition, &symbols, &definition.fields(), &[true], &secrets, 0);
        let all = plan.all(&plan.queries(&[1])[0]).unwrap();
        assert_eq!(
            (all.request.path.expose(), all.request.about.as_str(), all.symbols),
            ("/all", "all symbols", vec![1])
        );
        assert_eq!((plan.spell(1).as_deref(), plan.rows_pointer(), plan.keys_sent()), (Some("BX"), "/d", vec!["SENT"]));
    }

    #[test]
    fn credentials_of_the_address_are_sent_unless_a_header_is_there_for_them() {
        let sent = |head: &str| {
            let mut definition = definition(&format!("{head}{}", endpoint("/{symbol}", 1)));
            definition.base_url = BaseUrl::shared(Url::parse("https://me:pw@h").unwrap());
            let (symbols, secrets) = (symbols(&["A"]), BTreeMap::new());
            let plan = Plan::new(&definition, &symbols, &definition.fields(), &[true], &secrets, 0);
            let headers = plan.queries(&[0]).remove(0).request.headers;
            headers.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect::<Vec<_>>()
        };
        assert_eq!(sent(""), ["Authorization: Basic bWU6cHc="]);
        assert_eq!(sent("headers = { authorization = 'own' }\n"), ["authorization: own"]);
    }
}
