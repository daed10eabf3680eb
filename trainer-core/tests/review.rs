//! Rules that no golden case is about.

#![allow(clippy::unwrap_used)]

mod cases;

use trainer_core::review::{Rejection, Stage, Verdict, review_runtime, review_update};

use self::cases::{RUNTIME, job, parsed_runtime, spec, verdict};

fn rejection(job: &str, runtime: &str) -> Rejection {
    match verdict(job, runtime) {
        Verdict::Rejected(rejection) => rejection,
        accepted @ Verdict::Accepted { .. } => panic!("{accepted:?}: {job}"),
    }
}

/// `field: message`, one a line.
fn said(rejection: &Rejection) -> String {
    let lines: Vec<String> = rejection
        .violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field.as_deref().unwrap_or("-"), violation.message))
        .collect();
    lines.join("\n")
}

#[test]
fn a_wrong_type_is_named_as_go_names_it() {
    for (given, message) in [
        (
            "trainer: []",
            "cannot unmarshal array into Go struct field TrainJobSpec.spec.trainer of type v1alpha1.Trainer",
        ),
        (
            "trainer: {env: {A: b}}",
            "cannot unmarshal object into Go struct field Trainer.spec.trainer.env of type []v1.EnvVar",
        ),
        (
            "trainer: {image: 3}",
            "cannot unmarshal number into Go struct field Trainer.spec.trainer.image of type string",
        ),
        ("suspend: 1", "cannot unmarshal number into Go struct field TrainJobSpec.spec.suspend of type bool"),
        (
            "trainer: {resourcesPerNode: {limits: [cpu]}}",
            "cannot unmarshal array into Go struct field ResourceRequirements.spec.trainer.resourcesPerNode.limits of type v1.ResourceList",
        ),
        (
            "runtimePatches: [{manager: a/b, time: 3}]",
            "cannot unmarshal number into Go struct field RuntimePatch.spec.runtimePatches.time of type string",
        ),
        // Fields are read in the order of the alphabet, and the first error counts.
        (
            "trainer: {numNodes: x, args: x}",
            "cannot unmarshal string into Go struct field Trainer.spec.trainer.args of type []string",
        ),
    ] {
        let rejection = rejection(&spec(given), RUNTIME);
        assert_eq!(said(&rejection), format!("-: json: {message}"));
    }
}

#[test]
fn a_quantity_that_cannot_be_parsed_speaks_before_a_wrong_type() {
    let rejection = rejection(&spec("trainer: {args: x, resourcesPerNode: {limits: {cpu: 1gi}}}"), RUNTIME);
    assert!(said(&rejection).starts_with("-: quantities must match"), "{}", said(&rejection));
}

#[test]
fn a_quantity_with_a_fraction_is_no_integer() {
    let rejection = rejection(&spec("trainer: {resourcesPerNode: {limits: {cpu: 1.5}}}"), RUNTIME);
    let field = "spec.trainer.resourcesPerNode.limits.cpu";
    assert_eq!(
        said(&rejection),
        format!(
            "{field}: {field} in body must be of type integer,string: \"number\"\n\
             <nil>: \"{field}\" must validate at least one schema (anyOf)\n\
             {field}: {field} in body must be of type integer: \"number\""
        )
    );
}

#[test]
fn a_time_is_read_as_go_reads_it() {
    let said_of = |time: &str| {
        let patch = format!("suspend: true, runtimePatches: [{{manager: a.io/b, time: '{time}'}}]");
        match verdict(&spec(&patch), RUNTIME) {
            Verdict::Accepted { .. } => None,
            Verdict::Rejected(rejection) => Some(said(&rejection).rsplit(": ").next().unwrap().to_owned()),
        }
    };
    for sound in ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+01:00", "2026-01-02T03:04:05-00:30"] {
        assert_eq!(said_of(sound), None, "{sound}");
    }
    for (time, message) in [
        ("2026-1-02T03:04:05Z", r#"cannot parse "1-02T03:04:05Z" as "01""#),
        ("2026-01-02 03:04:05Z", r#"cannot parse " 03:04:05Z" as "T""#),
        ("2026-01-02T03:04:05", r#"cannot parse "" as "Z07:00""#),
        ("2026-01-02T03:04:05+0100", r#"cannot parse "+0100" as "Z07:00""#),
        ("2026-01-02T03:04:05*01:00", r#"cannot parse "*01:00" as "Z07:00""#),
    ] {
        let said = said_of(time);
        assert!(said.as_deref().is_some_and(|said| message.ends_with(said)), "{time}: {said:?}");
    }
}

#[test]
fn a_label_key_is_judged_part_by_part() {
    for (key, message) in [
        ("A.B/c", "prefix part a lowercase RFC 1123 subdomain"),
        ("/c", "prefix part must be non-empty"),
        ("a/", "name part must be non-empty"),
        ("-a", "name part must consist of"),
    ] {
        let body = format!("metadata: {{name: a, labels: {{'{key}': v}}}}\nspec: {{runtimeRef: {{name: r}}}}");
        let rejection = rejection(&body, RUNTIME);
        assert!(said(&rejection).starts_with(&format!("metadata.labels: {message}")), "{key}: {}", said(&rejection));
    }
}

#[test]
fn what_no_pod_can_be_made_of_is_refused_at_creation() {
    for (given, message) in [
        ("trainer: {resourcesPerNode: {limits: {gpu: 1}}}", "must be a standard resource type or fully qualified"),
        (
            "trainer: {resourcesPerNode: {requests: {a.io/gpu: 1}}}",
            "Limit must be set for non overcommitable resources",
        ),
        ("trainer: {resourcesPerNode: {limits: {a.io/gpu: 500m}}}", "must be an integer"),
        (
            "trainer: {resourcesPerNode: {limits: {cpu: 1}, requests: {cpu: 1001m}}}",
            "must be less than or equal to cpu limit of 1",
        ),
        ("trainer: {resourcesPerNode: {limits: {cpu: '-1'}}}", "must be greater than or equal to 0"),
        ("trainer: {env: [{name: 'A=B', value: c}]}", "a valid environment variable name must consist only of"),
        (
            "trainer: {env: [{name: A, valueFrom: {fileKeyRef: {key: k, path: p, volumeName: v}}}]}",
            "must specify one of: `fieldRef`",
        ),
        (
            "runtimePatches: [{manager: a.io/b, trainingRuntimeSpec: {template: {spec: {replicatedJobs: [{name: node, \
             template: {spec: {template: {spec: {volumes: [{name: v}]}}}}}]}}}}]",
            "must specify a volume type",
        ),
        (
            "runtimePatches: [{manager: a.io/b, trainingRuntimeSpec: {template: {spec: {replicatedJobs: [{name: node, \
             template: {spec: {template: {spec: {containers: [{name: node, volumeMounts: [{name: v, mountPath: /v}]}]}}}}}]}}}}]",
            "Not found: \"v\"",
        ),
        ("trainer: {numNodes: 2000000000}", "the step `node` has 2000000000 nodes; at most 100000 can be planned"),
    ] {
        let rejection = rejection(&spec(given), RUNTIME);
        assert_eq!(rejection.stage, Stage::Creation, "{given}: {}", said(&rejection));
        assert!(said(&rejection).contains(message), "{given}: {}", said(&rejection));
    }
}

#[test]
fn a_runtime_of_which_no_job_can_run_is_refused_with_the_job() {
    let template = "      replicatedJobs:\n      - name: node\n";
    for (from, to, message) in [
        (
            "                containers:",
            "                restartPolicy: Always\n                containers:",
            "supported values: \"OnFailure\", \"Never\"",
        ),
        (
            "            template:\n",
            "            backoffLimit: -1\n            template:\n",
            "must be greater than or equal to 0",
        ),
        (
            template,
            "      replicatedJobs:\n      - {name: side, replicas: -1, template: {spec: {template: {spec: {containers: [{name: c, image: i}]}}}}}\n      - name: node\n",
            "must be greater than or equal to 0",
        ),
        (
            "                containers:",
            "                volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]\n                containers:",
            "may not specify more than 1 volume type",
        ),
        (
            "                containers:",
            "                volumes: [{name: V_1, emptyDir: {}}]\n                containers:",
            "a lowercase RFC 1123 label",
        ),
        (
            "                - {name: node, image: i}",
            "                - {name: node, image: i}\n                initContainers: [{name: node, image: i}]",
            "Duplicate value: \"node\"",
        ),
        (
            "                containers:",
            "                tolerations: [{key: a, effect: Never}]\n                containers:",
            "supported values: \"NoSchedule\"",
        ),
        (
            "      - name: node\n",
            "      - name: node\n        dependsOn: [{name: node, status: Ready}]\n",
            "DependsOn can't be set for the first ReplicatedJob",
        ),
        (
            template,
            "      coordinator: {replicatedJob: node, jobIndex: 1}\n      replicatedJobs:\n      - name: node\n",
            "coordinator job index 1 is invalid for replicatedJob node",
        ),
        ("      - name: node\n", "      - name: Node\n", "a DNS-1035 label must consist of"),
        (
            template,
            "      failurePolicy: {rules: [{name: x, action: FailJobSet, targetReplicatedJobs: [ghost]}]}\n      replicatedJobs:\n      - name: node\n",
            "invalid replicatedJob name 'ghost' in failure policy",
        ),
    ] {
        assert!(RUNTIME.contains(from), "{from}");
        let runtime = RUNTIME.replacen(from, to, 1);
        let rejection = rejection(&spec("trainer: {}"), &runtime);
        assert_eq!(rejection.stage, Stage::Creation, "{to}: {}", said(&rejection));
        assert!(said(&rejection).contains(message), "{to}: {}", said(&rejection));
    }
}

#[test]
fn an_mpi_that_the_controller_does_not_know_fails_after_acceptance() {
    let runtime =
        RUNTIME.replace("{torch: {}}", "{mpi: {mpiImplementation: ''}}").replace("- name: node", "- name: launcher");
    let rejection = rejection(&spec("trainer: {}"), &runtime);
    assert_eq!((rejection.stage, &*rejection.violations[0].rule), (Stage::Creation, "crd:mpi.mpiImplementation"));
}

#[test]
fn an_initializer_needs_its_step_container_and_mount() {
    for (container, rule) in [("other", "V8"), ("model-initializer", "V9")] {
        let step = format!(
            "      replicatedJobs:\n      - {{name: model-initializer, template: {{spec: {{template: {{spec: {{containers: [{{name: {container}, image: i}}]}}}}}}}}}}\n"
        );
        let runtime = RUNTIME.replace("      replicatedJobs:\n", &step);
        let rejection = rejection(&spec("initializer: {model: {storageUri: 'hf://a/b'}}"), &runtime);
        assert_eq!(rejection.violations[0].rule, rule, "{}", said(&rejection));
    }
}

#[test]
fn a_claim_template_has_no_namespace() {
    let claims = "      volumeClaimPolicies: [{templates: [{metadata: {name: v, namespace: n}, spec: {}}]}]\n      replicatedJobs:\n";
    let runtime = parsed_runtime(&RUNTIME.replace("      replicatedJobs:\n", claims));
    let Verdict::Rejected(rejection) = review_runtime(&runtime.value) else { panic!("accepted") };
    assert_eq!(
        said(&rejection),
        "spec.template.spec.volumeClaimPolicies[0]: namespace cannot be set for VolumeClaimPolicies templates"
    );
}

#[test]
fn an_update_may_reorder_what_has_names() {
    let of = |text: &str| job(&spec(text)).value;
    let runtime = parsed_runtime(RUNTIME).value;
    let old = of("trainer: {env: [{name: A, value: '1'}, {name: B, value: '2'}]}");
    let reordered = of("trainer: {env: [{name: B, value: '2'}, {name: A, value: '1'}]}");
    let changed = of("trainer: {env: [{name: A, value: '1'}, {name: B, value: '3'}]}");
    assert!(matches!(review_update(&old, &reordered, Some(&runtime)), Verdict::Accepted { .. }));
    assert!(matches!(review_update(&old, &changed, Some(&runtime)), Verdict::Rejected(_)));
}

#[test]
fn a_runtime_is_reviewed_on_its_own() {
    let parse = |text: &str| parsed_runtime(text).value;
    assert_eq!(review_runtime(&parse(RUNTIME)), Verdict::Accepted { warnings: Vec::new() });
    let Verdict::Rejected(rejection) =
        review_runtime(&parse(&RUNTIME.replace("name: node, image", "name: main, image")))
    else {
        panic!("accepted")
    };
    assert_eq!(rejection.violations[0].rule, "V26");
}

#[test]
fn an_unknown_field_is_answered_with_the_nearest_one() {
    let rejection = rejection(&spec("trainer: {numNode: 2, foo: 1}"), RUNTIME);
    let hints: Vec<_> = rejection.violations.iter().map(|violation| violation.hint.as_deref()).collect();
    assert_eq!(hints[0], Some("did you mean `numNodes`?"));
    assert!(hints[1].is_some_and(|hint| hint.starts_with("leave it out")), "{hints:?}");
}

#[test]
fn a_deprecated_runtime_warns_unless_it_opted_out_of_checks() {
    let deprecated = "metadata: {name: r, labels: {trainer.kubeflow.org/support: deprecated";
    for (labels, warnings) in [("}}", 2), (", trainer.kubeflow.org/webhook-validation: disabled}}", 1)] {
        let runtime = RUNTIME.replace("metadata: {name: r}", &format!("{deprecated}{labels}"));
        let Verdict::Accepted { warnings: given } = verdict(&spec("trainer: {}"), &runtime) else { panic!("refused") };
        assert_eq!(given.len(), warnings, "{given:?}");
    }
}

#[test]
fn a_violation_is_located_in_the_file() {
    let body = "metadata: {name: a}\nspec:\n  runtimeRef: {name: r}\n  trainer:\n    env:\n    - {name: A, value: yes}";
    let document = job(body);
    let mut rejection = rejection(body, RUNTIME);
    rejection.locate(&document);
    assert_eq!((rejection.violations[0].line, rejection.violations[0].column), (Some(8), Some(17)));
    let error = trainer_core::Error::from(rejection);
    assert_eq!(error.hint(), Some("write it in quotes: numbers, `true` and `yes` aren't text in YAML"));
}

#[test]
fn a_rejection_has_the_stable_form() {
    let rejection = rejection(&spec("trainer: {env: [{name: PET_NNODES, value: '1'}]}"), RUNTIME);
    let json = serde_json::to_value(&rejection).unwrap();
    assert_eq!((&json["kind"], &json["stage"]), (&"Rejection".into(), &"admission".into()));
    let violation = &json["violations"][0];
    assert_eq!(
        (&violation["rule"], &violation["field"], &violation["type"]),
        (&"V16".into(), &"spec.trainer.env".into(), &"Invalid value".into())
    );
    assert_eq!(violation["message"], "must not have reserved envs, invalid envs configured: [PET_NNODES]");
}

/// `line:column: …` of each objection to a job of one line for each of `parts`, from line 3 on.
fn located(parts: &[&str], runtime: &str) -> Vec<String> {
    let body = parts.join("\n");
    let document = job(&body);
    let Verdict::Rejected(mut rejection) = verdict(&body, runtime) else { return Vec::new() };
    rejection.locate(&document);
    let line = |violation: &trainer_core::Violation| match violation.line.zip(violation.column) {
        Some((line, column)) => format!("{line}:{column}: {violation}"),
        None => violation.to_string(),
    };
    rejection.violations.iter().map(line).collect()
}

#[test]
fn what_has_the_wrong_type_is_said_of_the_field_that_has_it() {
    const SPEC: &str = "spec: {runtimeRef: {name: r}}";
    for (metadata, said) in [
        (
            "{name: 5}",
            "3:12: metadata.name: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
        ),
        (
            "foo",
            "3:1: metadata: json: cannot unmarshal string into Go struct field TrainJob.metadata of type v1.ObjectMeta",
        ),
        (
            "[x]",
            "3:1: metadata: json: cannot unmarshal array into Go struct field TrainJob.metadata of type v1.ObjectMeta",
        ),
        (
            "{name: a, uid: 7}",
            "3:21: metadata.uid: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.uid of type string",
        ),
        (
            "{name: a, labels: x}",
            "3:21: metadata.labels: json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            "{name: a, labels: {b: c, d: 1}}",
            "3:36: metadata.labels[d]: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            "{name: a, creationTimestamp: lots}",
            "3:21: metadata.creationTimestamp: parsing time \"lots\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"lots\" as \"2006\"",
        ),
        (
            "{name: a, generation: x}",
            "3:21: metadata.generation: json: cannot unmarshal string into Go struct field ObjectMeta.metadata.generation of type int64",
        ),
        (
            "{name: a, ownerReferences: x}",
            "3:21: metadata.ownerReferences: json: cannot unmarshal string into Go struct field ObjectMeta.metadata.ownerReferences of type []v1.OwnerReference",
        ),
        (
            "{name: a, finalizers: x}",
            "3:21: metadata.finalizers: json: cannot unmarshal string into Go struct field ObjectMeta.metadata.finalizers of type []string",
        ),
        (
            "{name: a, ownerReferences: x}",
            "3:21: metadata.ownerReferences: json: cannot unmarshal string into Go struct field ObjectMeta.metadata.ownerReferences of type []v1.OwnerReference",
        ),
    ] {
        assert_eq!(located(&[&format!("metadata: {metadata}"), SPEC], RUNTIME), [said], "{metadata}");
    }
    let name = "metadata: {name: a}";
    let cpu = "spec: {runtimeRef: {name: r}, trainer: {resourcesPerNode: {limits: {cpu: lots}}}}";
    let said = &located(&[name, cpu], RUNTIME)[0];
    assert!(said.starts_with("4:69: spec.trainer.resourcesPerNode.limits[cpu]: quantities must"), "{said}");
    let env = "spec: {runtimeRef: {name: r}, trainer: {env: [{name: A}, {name: B, value: 1}]}}";
    let said = &located(&[name, env], RUNTIME)[0];
    assert!(said.starts_with("4:68: spec.trainer.env[1].value: json: cannot unmarshal number"), "{said}");
    let many = "spec: {runtimeRef: {name: r}, trainer: {numNodes: 2000000000}}";
    let said = &located(&[name, many], RUNTIME)[0];
    assert!(said.starts_with("4:41: spec.trainer.numNodes: the step `node` has 2000000000 nodes"), "{said}");
    assert_eq!(located(&[name], RUNTIME), ["1:1: spec.runtimeRef.name: unsupported runtime: "]);
}

#[test]
fn objections_without_a_field_have_their_place_all_the_same() {
    const SPEC: &str = "spec: {runtimeRef: {name: r}}";
    let name = located(&["metadata: {labels: {}, name: Bad_1}", SPEC], RUNTIME);
    assert_eq!(name[1], "3:24: metadata.name must match RFC 1035 DNS label format");
    let label = located(&["metadata: {name: a, labels: {a: b, c: d e}}", SPEC], RUNTIME);
    assert!(label[0].starts_with("3:36: metadata.labels: Invalid value: \"d e\": a valid label"), "{label:?}");
    let namespace = located(&["metadata: {name: a, namespace: Foo}", SPEC], RUNTIME);
    assert!(namespace[0].starts_with("3:21: metadata.namespace: Invalid value: \"Foo\": a lowercase RFC 1123"));
    let image = located(&["metadata: {name: a}", SPEC], &RUNTIME.replace(", image: i", ""));
    assert_eq!(image, ["in the Job made for step `node`: spec.template.spec.containers[0].image: Required value"]);
}

#[test]
fn a_name_that_the_server_makes_is_reviewed_with_one_as_long() {
    let with = |stem: &str| {
        located(&[&format!("metadata: {{generateName: {stem}}}"), "spec: {runtimeRef: {name: r}}"], RUNTIME)
    };
    assert_eq!(with("a-"), [""; 0]);
    assert_eq!(with("Bad-")[0], "1:1: metadata.name must match RFC 1035 DNS label format");
    assert!(with(&"a".repeat(80))[0].contains("too long"), "{:?}", with(&"a".repeat(80)));
}
