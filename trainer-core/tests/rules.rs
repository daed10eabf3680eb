//! Rules that no golden case reaches, each by a case of its own. `cargo xtask mutations` says which are missing.

#![allow(clippy::unwrap_used)]

mod cases;

use trainer_core::{
    api::EnvVar,
    plan::{LaunchPlan, World, localize, plan},
    review::{Verdict, review_runtime, review_update},
};

use self::cases::{RUNTIME, parsed_runtime, spec, verdict};

/// The runtime with one piece replaced.
fn runtime(from: &str, to: &str) -> String {
    assert!(RUNTIME.contains(from), "{from}");
    RUNTIME.replacen(from, to, 1)
}

/// The runtime with these fields in its JobSet, pod or container.
fn jobset(fields: &str) -> String {
    runtime("      replicatedJobs:\n", &format!("      {fields}\n      replicatedJobs:\n"))
}

fn pod(fields: &str) -> String {
    runtime("                containers:\n", &format!("                {fields}\n                containers:\n"))
}

fn container(fields: &str) -> String {
    runtime("image: i}", &format!("image: i, {fields}}}"))
}

/// `rule field: message`, one a line; nothing if it is accepted.
fn said(verdict: Verdict) -> String {
    let Verdict::Rejected(rejection) = verdict else { return String::new() };
    let lines = rejection.violations.iter().map(|violation| {
        format!("{} {}: {}", violation.rule, violation.field.as_deref().unwrap_or("-"), violation.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn reviewed(job: &str, runtime: &str) -> String {
    said(verdict(job, runtime))
}

fn planned(job: &str, runtime: &str) -> LaunchPlan {
    plan(&cases::job(job).job().unwrap(), &parsed_runtime(runtime).runtime().unwrap()).unwrap()
}

fn refused(cases: &[(&str, &str, &str)]) {
    for (job, runtime, expected) in cases {
        let said = reviewed(job, runtime);
        assert!(said.lines().any(|line| line.starts_with(expected)), "{job}: {expected}\n{said}");
    }
}

fn accepted(cases: &[(&str, &str)]) {
    for (job, runtime) in cases {
        assert_eq!(reviewed(job, runtime), "", "{job}{runtime}");
    }
}

#[test]
fn reserved_names_are_refused_one_by_one() {
    for (policy, rule, names) in [
        (
            "torch: {}",
            "V16",
            ["PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NNODES", "PET_NODE_RANK", "PET_NPROC_PER_NODE"].as_slice(),
        ),
        ("xgboost: {}", "V21", &["DMLC_NUM_WORKER", "DMLC_TASK_ID", "DMLC_TRACKER_PORT", "DMLC_TRACKER_URI"]),
    ] {
        for name in names {
            let job = spec(&format!("trainer: {{env: [{{name: {name}, value: x}}]}}"));
            refused(&[(&job, &runtime("torch: {}", policy), rule)]);
        }
    }
}

#[test]
fn torchtune_has_its_own_rules() {
    let tuned = |name: &str, trainer: &str| {
        let job = format!(
            "metadata: {{name: a}}\nspec: {{runtimeRef: {{name: {name}}}, trainer: {{command: [tune, run], {trainer}}}}}"
        );
        reviewed(&job, &RUNTIME.replace("name: r}", &format!("name: {name}}}")))
    };
    for key in ["output_dir", "tokenizer.path", "checkpointer.checkpoint_dir", "tokenizer.merges_file"] {
        let said = tuned("torchtune-llama3.2-1b", &format!("args: ['{key}=x']"));
        assert!(said.contains(&format!("must not set immutable config {key:?}")), "{said}");
    }
    let qlora = "args: ['model.lora_attn_modules=[q]', model.quantize_base=true], numProcPerNode: 1";
    assert!(tuned("torchtune-qwen2.5-1.5b", qlora).contains("QLoRA is not supported"));
    assert_eq!(tuned("torchtune-llama3.2-1b", qlora), "");
    let dora =
        "args: ['model.lora_attn_modules=[q]', model.quantize_base=true, model.use_dora=true], numProcPerNode: 2";
    assert_eq!(tuned("torchtune-llama3.2-1b", dora), "");
}

#[test]
fn names_and_annotations_have_bounds() {
    let metadata = |text: &str| format!("metadata: {{{text}}}\nspec: {{runtimeRef: {{name: r}}}}");
    let long = "x".repeat(64);
    refused(&[
        (&metadata("namespace: n"), RUNTIME, "crd:name metadata.name: name or generateName is required"),
        (&metadata(&format!("name: a, labels: {{{long}: v}}")), RUNTIME, "crd:metadata metadata.labels: name part"),
        (&metadata(&format!("name: a, labels: {{k: {long}}}")), RUNTIME, "crd:metadata metadata.labels: must be no"),
        (&metadata("name: a, labels: {k: v-}"), RUNTIME, "crd:metadata metadata.labels: a valid label"),
        (&metadata("name: a, labels: {k: 3}"), RUNTIME, "crd:types -: json: cannot unmarshal number"),
        (&metadata("name: a, annotations: {k: 3}"), RUNTIME, "crd:types -: json: cannot unmarshal number"),
        (
            &metadata(&format!("name: a, annotations: {{k: {}}}", "x".repeat(256 * 1024))),
            RUNTIME,
            "crd:metadata metadata.annotations: may not be more than 262144 bytes",
        ),
    ]);
    accepted(&[
        (&metadata("name: a, labels: {k: ''}"), RUNTIME),
        (&metadata("name: a, annotations: {Example.COM/k: v}"), RUNTIME),
        ("metadata: {name: a}\nspec: {runtimeRef: {name: r}}\nstatus: {conditions: 3}", RUNTIME),
    ]);
}

#[test]
fn a_runtime_is_checked_as_a_document() {
    for (from, to, expected) in [
        ("metadata: {name: r}", "metadata: {name: r, labels: {a: 1}}", "crd:types"),
        ("mlPolicy:", "policy: {}\n  mlPolicy:", "crd:unknown spec.policy"),
    ] {
        let document = parsed_runtime(&runtime(from, to));
        assert!(said(review_runtime(&document.value)).starts_with(expected), "{to}");
    }
}

#[test]
fn a_namespaced_runtime_is_of_the_jobs_namespace() {
    let job = |namespace: &str| {
        format!(
            "metadata: {{name: a, namespace: {namespace}}}\nspec: {{runtimeRef: {{name: r, kind: TrainingRuntime}}}}"
        )
    };
    let runtime = RUNTIME.replace("ClusterTrainingRuntime", "TrainingRuntime");
    accepted(&[(&job("default"), &runtime)]);
    refused(&[(&job("other"), &runtime, "V2 spec.runtimeRef")]);
    assert_eq!(planned(&job("other"), &runtime).namespace, "other");
}

#[test]
fn what_a_job_is_made_of_does_not_change() {
    let changed = |old: &str, new: &str| {
        let of = |text: &str| cases::job(&spec(text)).value;
        let runtime = parsed_runtime(RUNTIME).value;
        said(review_update(&of(old), &of(new), Some(&runtime)))
    };
    for (field, old, new) in [
        ("activeDeadlineSeconds", "3", "4"),
        ("managedBy", "trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue"),
        ("initializer", "{model: {storageUri: 'hf://a/b'}}", "{model: {storageUri: 'hf://a/c'}}"),
        ("trainer", "{numNodes: 1}", "{numNodes: 2}"),
    ] {
        let said = changed(&format!("{field}: {old}"), &format!("{field}: {new}"));
        assert!(said.starts_with(&format!("crd:immutable spec.{field}: field is immutable")), "{said}");
    }
    assert_eq!(changed("trainer: {numNodes: 1}", "suspend: false"), "", "what is gone isn't compared");
    let patch = |manager: &str, step: &str, pod: &str| {
        format!(
            "suspend: true, runtimePatches: [{{manager: {manager}, trainingRuntimeSpec: {{template: {{spec: {{replicatedJobs: \
             [{{name: {step}, template: {{spec: {{template: {{spec: {{{pod}}}}}}}}}}}]}}}}}}}}]"
        )
    };
    for (field, old, new) in [
        ("containers", "[{name: node, env: []}]", "[{name: other}]"),
        ("initContainers", "[{name: a}]", "[{name: b}]"),
        ("imagePullSecrets", "[{name: a}]", "[{name: b}]"),
        ("securityContext", "{runAsUser: 1}", "{runAsUser: 2}"),
        ("serviceAccountName", "a", "b"),
        ("terminationGracePeriodSeconds", "1", "2"),
        ("volumes", "[{name: v, emptyDir: {}}]", "[{name: w, emptyDir: {}}]"),
    ] {
        let of = |manager: &str, step: &str, value: &str| patch(manager, step, &format!("{field}: {value}"));
        let said = changed(&of("a.io/b", "node", old), &of("a.io/b", "node", new));
        assert!(said.contains(&format!("spec.{field}: field is immutable")), "{field}: {said}");
        assert_eq!(changed(&of("a.io/b", "node", old), &of("a.io/c", "node", new)), "", "another's patch");
        assert_eq!(changed(&of("a.io/b", "node", old), &of("a.io/b", "side", new)), "", "another step");
    }
    let timed = |time: &str| format!("runtimePatches: [{{manager: a.io/b, time: '2026-01-02T03:04:0{time}Z'}}]");
    assert_eq!(changed(&timed("5"), &timed("6")), "", "the time of a patch may change");
}

#[test]
fn what_jobset_refuses() {
    let step = |rest: &str| jobset(&format!("network: {{subdomain: {rest}}}"));
    let node = "      - name: node\n";
    let other = "      - {name: side, template: {spec: {template: {spec: {containers: [{name: c, image: i}]}}}}}\n";
    let job = spec("trainer: {}");
    let coordinator = |fields: &str| jobset(&format!("coordinator: {{{fields}}}"));
    let long = format!("metadata: {{name: {}}}\nspec: {{runtimeRef: {{name: r}}, trainer: {{}}}}", "a".repeat(58));
    let claim = |pod: &str| {
        pod.replacen(
            "      replicatedJobs:\n",
            "      volumeClaimPolicies: [{templates: [{metadata: {name: v}, spec: {}}]}]\n      replicatedJobs:\n",
            1,
        )
    };
    refused(&[
        (&job, &step("A"), "jobset:subdomain spec.network.subdomain: a lowercase RFC 1123 subdomain"),
        (&job, &step(&"a".repeat(64)), "jobset:subdomain spec.network.subdomain: .spec.network.subdomain is too long"),
        (
            &job,
            &runtime(node, &format!("{other}{node}        dependsOn: [{{name: node, status: Ready}}]\n")),
            "jobset:dependsOn <nil>: replicatedJob: node cannot depend on replicatedJob: node",
        ),
        (&long, RUNTIME, "jobset:name spec.replicatedJobs[0].name: JobSet name is too long, job names"),
        (&long, RUNTIME, "jobset:name spec.replicatedJobs[0].name: JobSet name is too long, pod names"),
        (
            &job,
            &runtime(node, &format!("{node}        groupName: A\n")),
            "jobset:name spec.replicatedJobs[0].name: a DNS",
        ),
        (&job, &coordinator("replicatedJob: ghost"), "jobset:coordinator <nil>: coordinator replicatedJob ghost"),
        (&job, &coordinator("replicatedJob: node, jobIndex: -1"), "jobset:coordinator <nil>: coordinator job index -1"),
        (&job, &coordinator("replicatedJob: node, podIndex: -1"), "jobset:coordinator <nil>: coordinator pod index -1"),
        (
            &job,
            &claim(
                &pod("volumes: [{name: v, emptyDir: {}}]")
                    .replace("image: i}", "image: i, volumeMounts: [{name: v, mountPath: /v}]}"),
            ),
            "jobset:claims spec.replicatedJobs: a volume of a replicatedJob",
        ),
        (
            &job,
            &claim(&container("volumeMounts: [{name: v, mountPath: /v}]"))
                .replace("{name: v}, spec", "{name: V}, spec"),
            "jobset:claims spec.replicatedJobs: the claim V-a",
        ),
    ]);
    let indexed = spec("trainer: {}").replace("name: a}", &format!("name: {}}}", "a".repeat(50)));
    let unindexed = runtime("          spec:\n", "          spec:\n            completionMode: NonIndexed\n");
    refused(&[(&indexed, RUNTIME, "jobset:name")]);
    accepted(&[
        (&indexed, &unindexed),
        (&job, &step("''")),
        (
            &job,
            &container(
                "ports: [{name: a, containerPort: 53, protocol: TCP}, {name: b, containerPort: 54, protocol: UDP}]",
            ),
        ),
    ]);
}

#[test]
fn what_the_api_server_refuses_of_a_job() {
    let job = spec("trainer: {}");
    let counted = |field: &str| runtime("          spec:\n", &format!("          spec:\n            {field}: -1\n"));
    let long = "v".repeat(64);
    let env = |variable: &str| spec(&format!("trainer: {{env: [{variable}]}}"));
    refused(&[
        (&job, &counted("activeDeadlineSeconds"), "job:count spec.activeDeadlineSeconds"),
        (&job, &counted("maxFailedIndexes"), "job:count spec.maxFailedIndexes"),
        (&job, &counted("ttlSecondsAfterFinished"), "job:count spec.ttlSecondsAfterFinished"),
        (&job, &pod("initContainers: [{name: A, image: i}]"), "job:name spec.template.spec.initContainers[0].name"),
        (
            &job,
            &pod(&format!("volumes: [{{name: {long}, emptyDir: {{}}}}]")),
            "job:volume spec.template.spec.volumes[0].name: must be no more than 63",
        ),
        (
            &spec("trainer: {resourcesPerNode: {limits: {a.io/gpu: 1}, requests: {a.io/gpu: 2}}}"),
            RUNTIME,
            "job:resources spec.template.spec.containers[0].resources.requests: must be equal to a.io/gpu limit of 1",
        ),
        (
            &job,
            &container("env: [{name: A, value: v, valueFrom: {fieldRef: {fieldPath: x}}}]"),
            "job:env spec.template.spec.containers[0].env[0].valueFrom: may not be specified when `value`",
        ),
        (
            &env("{name: A, valueFrom: {fieldRef: {fieldPath: x}, secretKeyRef: {name: s, key: k}}}"),
            RUNTIME,
            "job:env spec.template.spec.containers[0].env[0].valueFrom: may not have more than one",
        ),
        (
            &job,
            &pod("tolerations: [{value: v}]"),
            "job:toleration spec.template.spec.tolerations[0].operator: operator must",
        ),
        (
            &job,
            &pod("tolerations: [{key: k, operator: Exists, value: v}]"),
            "job:toleration spec.template.spec.tolerations[0].operator: value must be empty",
        ),
    ]);
    accepted(&[(&spec("trainer: {resourcesPerNode: {limits: {hugepages-2Mi: 4Mi}}}"), RUNTIME)]);
}

#[test]
fn a_job_enters_its_engines_world() {
    let node = "      - name: node\n";
    let first = "      startupPolicy: {startupPolicyOrder: InOrder}\n      replicatedJobs:\n      - {name: side, template: {spec: {template: {spec: {containers: [{name: c, image: i}]}}}}}\n";
    let runtime = runtime("      replicatedJobs:\n", first).replacen(
        "image: i}\n",
        "image: i, workingDir: /workspace, volumeMounts: [{name: v, mountPath: /workspace/x}]}\n",
        2,
    );
    assert!(runtime.contains(node));
    let job = spec(
        "trainer: {command: [sh, /workspace/run], args: ['$(PET_MASTER_ADDR):$(OURS)'], env: [{name: MINE, value: '1'}]}",
    );
    let plan = planned(&job, &runtime);
    let address = plan.steps[1].nodes[0].address.clone();
    let world = World {
        addresses: [(address, "127.0.0.1".to_owned())].into(),
        ports: [(29500, 20001)].into(),
        mounts: [("/workspace".to_owned(), "/w".to_owned())].into(),
        additions: [(
            ("node".to_owned(), plan.steps[1].nodes[0].index),
            vec![EnvVar::new("MINE", "2"), EnvVar::new("OURS", "3")],
        )]
        .into(),
    };
    let plan = localize(&plan, &world);
    let step = &plan.steps[1];
    assert_eq!(step.depends_on[0].name, "side");
    let node = &step.nodes[0];
    let container = &node.containers[0];
    assert_eq!(node.address, "127.0.0.1");
    assert_eq!(container.command, ["sh", "/w/run"]);
    assert_eq!(container.args, ["127.0.0.1:3"]);
    assert_eq!(container.ports, [20001]);
    let value = |name: &str| container.env.iter().find(|it| it.name == name).and_then(|it| it.value.as_deref());
    assert_eq!((value("MINE"), value("PET_MASTER_PORT")), (Some("1"), Some("20001")));
    assert_eq!(container.rest["workingDir"], "/w");
    assert_eq!(container.volume_mounts[0]["mountPath"], "/w/x");
}

#[test]
fn the_schema_has_bounds_for_values() {
    refused(&[
        (
            &spec("trainer: {resourcesPerNode: {limits: {cpu: 1E}}}, suspend: true, bad: 1"),
            RUNTIME,
            "crd:unknown spec.bad",
        ),
        ("metadata: {name: a}\nspec: {runtimeRef: {name: r}}\nother: 1", RUNTIME, "crd:unknown other"),
    ]);
    let ports = |ports: &str| container(&format!("ports: [{ports}]"));
    let said = reviewed(
        &spec("trainer: {}"),
        &ports("{name: a, containerPort: 53, protocol: TCP}, {name: b, containerPort: 53, protocol: UDP}"),
    );
    assert!(said.contains("protocol=\"UDP\""), "{said}");
    let env = "{name: A, value: '1'}";
    let said = reviewed(&spec(&format!("trainer: {{env: [{env}, {env}, {env}]}}")), RUNTIME);
    assert_eq!(said.matches("Duplicate value").count(), 1, "{said}");
    accepted(&[
        (&spec("runtimePatches: null"), RUNTIME),
        ("metadata: {name: a}\nspec: {runtimeRef: {name: r, kind: null}}", RUNTIME),
    ]);
    let patch = |containers: &str| {
        spec(&format!(
            "runtimePatches: [{{manager: a.io/b, trainingRuntimeSpec: {{template: {{spec: {{replicatedJobs: [{{name: x, \
             template: {{spec: {{template: {{spec: {{containers: [{containers}]}}}}}}}}}}]}}}}}}}}]"
        ))
    };
    for name in ["dataset-initializer", "model-initializer", "node"] {
        let job = patch(&format!("{{name: {name}, env: [{{name: A, value: b}}]}}"));
        refused(&[(&job, RUNTIME, "V14 spec.runtimePatches: must not have envs")]);
    }
}

#[test]
fn a_plan_warns_of_a_deprecated_runtime() {
    let labelled = |more: &str| {
        runtime(
            "metadata: {name: r}",
            &format!("metadata: {{name: r, labels: {{trainer.kubeflow.org/support: deprecated{more}}}}}"),
        )
    };
    let warnings = |runtime: &str| planned(&spec("trainer: {}"), runtime).warnings.len();
    assert_eq!(warnings(&labelled("")), 2);
    assert_eq!(warnings(&labelled(", trainer.kubeflow.org/webhook-validation: disabled")), 1);
    assert_eq!(planned(&spec("suspend: true"), RUNTIME).notes.len(), 1, "an absent trainer is worth a note");
}

#[test]
fn variables_lose_what_the_controller_loses() {
    let job = spec(
        "trainer: {env: [{name: A}, {name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}, \
         {name: C, valueFrom: {configMapKeyRef: {key: k}}}, {name: D, valueFrom: {fieldRef: {fieldPath: x, apiVersion: v1}}}]}",
    );
    let plan = planned(&job, RUNTIME);
    let env = serde_json::to_value(&plan.steps[0].nodes[0].containers[0].env[..4]).unwrap();
    assert_eq!(
        env,
        serde_json::json!([
            {"name": "A", "value": ""},
            {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"key": "k", "name": ""}}},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
        ])
    );
}

#[test]
fn processes_are_counted_by_what_is_requested() {
    let processes = |resources: &str| {
        let plan = planned(&spec(&format!("trainer: {{resourcesPerNode: {resources}}}")), RUNTIME);
        let env = &plan.steps[0].nodes[0].containers[0].env;
        env.iter().find(|it| it.name == "PET_NPROC_PER_NODE").and_then(|it| it.value.clone()).unwrap()
    };
    assert_eq!(processes("{requests: {cpu: 0}, limits: {cpu: 3}}"), "3");
    assert_eq!(processes("{requests: {cpu: 2500m}, limits: {cpu: 4}}"), "3");
    assert_eq!(processes("{limits: {cpu: 0}}"), "1");
    let xgboost = runtime("torch: {}", "xgboost: {}");
    let workers = |resources: &str| {
        let plan = planned(&spec(&format!("trainer: {{resourcesPerNode: {resources}}}")), &xgboost);
        let env = &plan.steps[0].nodes[0].containers[0].env;
        env.iter().find(|it| it.name == "DMLC_NUM_WORKER").and_then(|it| it.value.clone()).unwrap()
    };
    assert_eq!(workers("{requests: {a.io/gpu: 2}, limits: {a.io/gpu: 4}}"), "2");
    let plan = planned(&spec("suspend: true"), &xgboost);
    assert!(plan.steps[0].nodes[0].containers[0].env.is_empty(), "without a trainer nothing is set");
    let plan = planned(&spec("trainer: {env: [{name: MINE, value: x}]}"), &xgboost);
    assert_eq!(plan.steps[0].nodes[0].containers[0].env[0].name, "MINE");
}

#[test]
fn a_runtimes_fields_arrive_as_kubernetes_stores_them() {
    let plan = planned(&spec("trainer: {}"), &jobset("network: {publishNotReadyAddresses: false}"));
    assert!(!plan.network.publish_not_ready_addresses);
    let plan = planned(
        &spec("trainer: {}"),
        &pod(
            "serviceAccountName: ''\n                hostIPC: false\n                tolerations: []\n                automountServiceAccountToken: false",
        ),
    );
    assert_eq!(
        serde_json::to_value(&plan.steps[0].pod).unwrap(),
        serde_json::json!({"automountServiceAccountToken": false})
    );
    let plan = planned(
        &spec("trainer: {}"),
        &container("ports: [{containerPort: 29500, protocol: TCP}], resources: {claims: [{name: c}]}"),
    );
    let container = &plan.steps[0].nodes[0].containers[0];
    assert!(container.port_details.is_empty());
    assert_eq!(container.resources["claims"][0]["name"], "c");
    let gated = pod("schedulingGates: [{name: a.io/x}]");
    let patch = "runtimePatches: [{manager: a.io/b, trainingRuntimeSpec: {template: {spec: {replicatedJobs: [{name: node, \
                 template: {spec: {template: {spec: {schedulingGates: [{name: a.io/y}], containers: [{name: node, \
                 volumeMounts: [{mountPath: /v, name: v, readOnly: false}]}]}}}}}]}}}}]";
    let plan = planned(
        &spec(patch),
        &gated.replace("image: i}", "image: i, volumeMounts: [{mountPath: /v, name: v, readOnly: true}]}"),
    );
    assert_eq!(plan.steps[0].pod["schedulingGates"].as_array().unwrap().len(), 2);
    assert_eq!(plan.steps[0].nodes[0].containers[0].volume_mounts[0]["readOnly"], true);
}

#[test]
fn a_gang_scheduler_is_told_what_the_runtime_says() {
    let group = |policy: &str, job: &str| {
        let runtime = RUNTIME.replacen("  mlPolicy:", &format!("  podGroupPolicy: {policy}\n  mlPolicy:"), 1);
        planned(&spec(job), &runtime).pod_groups[0].clone()
    };
    assert_eq!(group("{coscheduling: {scheduleTimeoutSeconds: 5}}", "trainer: {}")["scheduleTimeoutSeconds"], 5);
    assert_eq!(group("{coscheduling: {}}", "trainer: {}")["scheduleTimeoutSeconds"], 60);
    let queue = "trainer: {}, runtimePatches: [{manager: a.io/b, trainingRuntimeSpec: {template: {metadata: {annotations: \
                 {scheduling.volcano.sh/queue-name: q}}}}}]";
    let volcano = group("{volcano: {networkTopology: {mode: soft, highestTierAllowed: 3}}}", queue);
    assert_eq!(volcano["queue"], "q");
    assert_eq!(volcano["networkTopology"], serde_json::json!({"mode": "soft", "highestTierAllowed": 3}));
}

#[test]
fn a_schema_counts_letters_and_knows_sets() {
    let uri = format!("initializer: {{model: {{storageUri: 'hf://{}'}}}}", "ä".repeat(2000));
    assert!(!reviewed(&spec(&uri), RUNTIME).contains("may not be more than"));
    let refused_runtime = |runtime: &str, expected: &str| {
        let document = parsed_runtime(runtime);
        let said = said(review_runtime(&document.value));
        assert!(said.contains(expected), "{expected}\n{said}");
    };
    refused_runtime(
        &runtime("torch: {}", "torch: {envInjection: {targets: [{jobName: node, containerNames: [a, a]}]}}"),
        "Duplicate value: \"a\"",
    );
    refused_runtime(&container("resources: {limits: {cpu: 1gi}}"), "in body should match");
}

#[test]
fn variables_are_injected_into_containers_before_init_containers() {
    let injected = "torch: {envInjection: {targets: [{jobName: node, containerNames: [side, early]}]}}";
    let side = "- {name: node, image: i}\n                - {name: side, image: i}\n                initContainers: [{name: side, image: i}, {name: early, image: i}]";
    let runtime = runtime("torch: {}", injected).replace("- {name: node, image: i}", side);
    let plan = planned(&spec("trainer: {}"), &runtime);
    let node = &plan.steps[0].nodes[0];
    assert_eq!(node.containers[1].env.len(), 5);
    assert_eq!([node.init_containers[0].env.len(), node.init_containers[1].env.len()], [0, 5]);
}

#[test]
fn resources_are_read_from_the_trainers_step() {
    let side = "      replicatedJobs:\n      - {name: side, template: {spec: {template: {spec: {containers: [{name: node, image: i, resources: {limits: {a.io/gpu: 4}}}]}}}}}\n";
    let plan = planned(&spec("trainer: {}"), &runtime("      replicatedJobs:\n", side));
    let env = &plan.steps[1].nodes[0].containers[0].env;
    let processes = env.iter().find(|it| it.name == "PET_NPROC_PER_NODE").and_then(|it| it.value.as_deref());
    assert_eq!(processes, Some("1"));
}

#[test]
fn many_nodes_of_torchtune_meet_even_with_one_process_each() {
    let tuned = "metadata: {name: a}\nspec: {runtimeRef: {name: torchtune-llama3.2-1b}, trainer: {command: [tune, run], numProcPerNode: 1}}";
    let runtime = runtime("mlPolicy: {torch: {}}", "mlPolicy: {numNodes: 2, torch: {}}");
    let runtime = runtime.replace("name: r}", "name: torchtune-llama3.2-1b}");
    let plan = planned(tuned, &runtime);
    assert_eq!(plan.steps[0].nodes[0].containers[0].command[2], "--rdzv_endpoint=a-node-0-0.a:29500");
}

#[test]
fn an_initializer_is_one_job() {
    let initializer = "      replicatedJobs:\n      - {name: model-initializer, replicas: 3, template: {metadata: {labels: \
                       {trainer.kubeflow.org/trainjob-ancestor-step: model-initializer}}, spec: {template: {spec: \
                       {containers: [{name: model-initializer, image: i}]}}}}}\n";
    let plan = planned(&spec("trainer: {}"), &runtime("      replicatedJobs:\n", initializer));
    assert_eq!(plan.steps[0].node_count, 1);
}

#[test]
fn mpi_replaces_a_volume_and_lists_no_hosts_for_an_mpi_it_does_not_know() {
    let mpi =
        pod("volumes: [{name: mpi-ssh-auth, emptyDir: {}}]").replace("torch: {}", "mpi: {mpiImplementation: Intel}");
    let plan = planned(&spec("trainer: {}"), &mpi);
    assert_eq!(plan.steps[0].volumes.len(), 1);
    assert_eq!(plan.steps[0].volumes[0]["secret"]["secretName"], "a-mpi-ssh-auth");
    assert_eq!(plan.files[0].content, "");
}

#[test]
fn flux_takes_its_tasks_from_the_runtime_and_the_jobs_variables_first() {
    let runtime = runtime("torch: {}", "flux: {numProcPerNode: 3}");
    let plan = planned(&spec("trainer: {numNodes: 2, command: [x], env: [{name: MINE, value: x}]}"), &runtime);
    assert_eq!(plan.files[0].settings["flags"], "-N 2 -n 6");
    assert_eq!(plan.steps[0].nodes[0].containers[0].env[0].name, "MINE");
}

#[test]
fn a_runtime_that_its_schema_refuses_is_not_warned_of() {
    let deprecated = "metadata: {name: r, labels: {trainer.kubeflow.org/support: deprecated}}";
    let runtime = runtime("metadata: {name: r}", deprecated).replace("{torch: {}}", "{torch: {}, jax: {}}");
    let document = parsed_runtime(&runtime);
    let Verdict::Rejected(rejection) = review_runtime(&document.value) else { panic!("accepted") };
    assert_eq!(rejection.warnings, Vec::<String>::new());
}

#[test]
fn a_volume_is_there_once() {
    let twice = pod("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]");
    assert!(reviewed(&spec("trainer: {}"), &twice).contains("Duplicate value"));
}

#[test]
fn a_variable_arrives_with_its_source_and_nothing_else() {
    let job = spec(
        "trainer: {env: [{name: A, value: x, more: 1}, {name: B, value: x, valueFrom: {fieldRef: {fieldPath: p}}}]}",
    );
    let env = planned(&job, RUNTIME).steps[0].nodes[0].containers[0].env.clone();
    assert_eq!(env[0], EnvVar::new("A", "x"));
    assert_eq!(env[1].value, None);
}

#[test]
fn a_port_that_says_tcp_says_nothing_more() {
    let plan = planned(&spec("suspend: true"), &container("ports: [{containerPort: 80, protocol: TCP}]"));
    let container = &plan.steps[0].nodes[0].containers[0];
    assert_eq!((container.ports.as_slice(), container.port_details.len()), ([80].as_slice(), 0));
}

#[test]
fn a_hostfile_has_the_worlds_addresses() {
    let plan = planned(&spec("trainer: {}"), &runtime("torch: {}", "mpi: {}"));
    let address = plan.steps[0].nodes[0].address.clone();
    let world = World { addresses: [(address, "127.0.0.1".to_owned())].into(), ..World::default() };
    assert_eq!(localize(&plan, &world).files[0].content, "127.0.0.1 slots=1\n");
}
