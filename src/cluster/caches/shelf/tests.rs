//! Events in every order that a watch can bring them in.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

use super::*;

/// A ConfigMap that speaks of `about`; without it, it cannot be read.
fn map(name: &str, version: u32, about: Option<&str>) -> ConfigMap {
    let about = about.map(|about| ("about".to_owned(), about.to_owned()));
    ConfigMap {
        metadata: ObjectMeta {
            namespace: Some("shop".into()),
            name: Some(name.into()),
            resource_version: Some(version.to_string()),
            labels: Some(about.into_iter().collect()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

fn read(map: &ConfigMap) -> Read<String> {
    let about = map.labels().get("about").cloned();
    let version = map.resource_version().unwrap_or_default();
    Read {
        keys: about.clone().into_iter().collect(),
        value: about.map(|_| format!("{}@{version}", map.name_any())),
    }
}

fn filled(maps: &[ConfigMap]) -> Shelf<String> {
    let shelf = Shelf::default();
    relist(&shelf, maps);
    shelf
}

fn relist(shelf: &Shelf<String>, maps: &[ConfigMap]) -> Vec<Touched> {
    shelf.take::<ConfigMap>(Event::Init, read);
    for map in maps {
        assert_eq!(shelf.take(Event::InitApply(map.clone()), read), []);
    }
    shelf.take::<ConfigMap>(Event::InitDone, read)
}

fn touched(name: &str, keys: &[&str]) -> Touched {
    Touched {
        namespace: "shop".into(),
        name: name.into(),
        keys: keys.iter().map(|&key| key.into()).collect(),
    }
}

fn by_name(mut all: Vec<Touched>) -> Vec<Touched> {
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[test]
fn nothing_of_a_list_is_found_before_the_list_is_whole() {
    let shelf = Shelf::default();
    shelf.take::<ConfigMap>(Event::Init, read);
    shelf.take(Event::InitApply(map("a", 1, Some("x"))), read);
    assert_eq!(shelf.get("shop", "a"), None);
    assert!(!*shelf.filled().borrow());
    let all = shelf.take::<ConfigMap>(Event::InitDone, read);
    assert_eq!(all, [touched("a", &["x"])]);
    assert_eq!(shelf.of("shop", "x"), ["a@1"]);
    assert!(*shelf.filled().borrow());
}

#[test]
fn an_object_is_found_by_what_it_speaks_of_now_and_no_more_by_what_it_spoke_of() {
    let shelf = filled(&[map("a", 1, Some("x")), map("b", 2, Some("x"))]);
    assert_eq!(shelf.of("shop", "x"), ["a@1", "b@2"]);
    let moved = shelf.take(Event::Apply(map("a", 3, Some("y"))), read);
    assert_eq!(moved, [touched("a", &["y", "x"])]);
    assert_eq!(shelf.of("shop", "x"), ["b@2"]);
    assert_eq!(shelf.named("shop", "y"), [("a".into(), "a@3".to_owned())]);
    assert_eq!(shelf.get("shop", "a").as_deref(), Some("a@3"));
    assert!(shelf.of("other", "x").is_empty() && shelf.get("other", "a").is_none());
}

#[test]
fn a_deleted_object_is_found_no_more_and_tells_what_it_spoke_of() {
    let shelf = filled(&[map("a", 1, Some("x"))]);
    let gone = shelf.take(Event::Delete(map("a", 4, None)), read);
    assert_eq!(gone, [touched("a", &["x"])]);
    assert!(shelf.get("shop", "a").is_none() && shelf.of("shop", "x").is_empty());
    assert!(shelf.all_in("shop").is_empty());
}

#[test]
fn an_object_that_cannot_be_read_any_more_is_as_if_it_were_absent() {
    let shelf = filled(&[map("a", 1, Some("x"))]);
    shelf.take(Event::Apply(map("a", 2, None)), read);
    assert!(shelf.get("shop", "a").is_none() && shelf.of("shop", "x").is_empty());
}

#[test]
fn a_new_list_drops_what_is_gone_and_touches_only_what_differs() {
    let shelf = filled(&[
        map("a", 1, Some("x")),
        map("b", 2, Some("x")),
        map("c", 3, Some("x")),
    ]);
    let differ = relist(
        &shelf,
        &[
            map("a", 1, Some("x")),
            map("b", 5, Some("y")),
            map("d", 6, Some("x")),
        ],
    );
    let wanted = [
        touched("b", &["y", "x"]),
        touched("c", &["x"]),
        touched("d", &["x"]),
    ];
    assert_eq!(by_name(differ), wanted);
    assert_eq!(shelf.of("shop", "x"), ["a@1", "d@6"]);
    assert_eq!(shelf.of("shop", "y"), ["b@5"]);
}

#[test]
fn a_list_that_is_begun_again_forgets_what_it_had() {
    let shelf = filled(&[map("a", 1, Some("x"))]);
    shelf.take::<ConfigMap>(Event::Init, read);
    shelf.take(Event::InitApply(map("b", 2, Some("x"))), read);
    relist(&shelf, &[map("c", 3, Some("x"))]);
    assert_eq!(shelf.of("shop", "x"), ["c@3"]);
}

#[test]
fn what_only_a_broken_off_list_named_is_gone() {
    let shelf = filled(&[map("a", 1, Some("x")), map("b", 2, Some("x"))]);
    shelf.take::<ConfigMap>(Event::Init, read);
    shelf.take(Event::InitApply(map("a", 1, Some("x"))), read);
    assert_eq!(
        shelf.of("shop", "x"),
        ["a@1", "b@2"],
        "until a list is whole"
    );
    let differ = relist(&shelf, &[map("b", 2, Some("x"))]);
    assert_eq!(differ, [touched("a", &["x"])]);
    assert_eq!(shelf.of("shop", "x"), ["b@2"]);
}

#[test]
fn what_is_known_in_this_version_is_not_read_again() {
    let shelf = filled(&[map("a", 1, Some("x"))]);
    shelf.take::<ConfigMap>(Event::Init, read);
    shelf.take(Event::InitApply(map("a", 1, Some("x"))), |_| {
        panic!("it was read already")
    });
    assert!(shelf.take::<ConfigMap>(Event::InitDone, read).is_empty());
    assert_eq!(shelf.of("shop", "x"), ["a@1"]);
}

#[tokio::test]
async fn everyone_who_waits_hears_that_the_shelf_is_filled() {
    let shelf = Shelf::<String>::default();
    let (mut first, mut second) = (shelf.filled(), shelf.filled());
    let waiting = async {
        let (one, two) = futures::join!(first.wait_for(|f| *f), second.wait_for(|f| *f));
        one.is_ok() && two.is_ok()
    };
    let filling = async { relist(&shelf, &[]) };
    assert!(futures::join!(waiting, filling).0);
}
