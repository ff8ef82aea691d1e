# SPDX-License-Identifier: Apache-2.0
"""A gRPC client of Katib's services, generated from a .proto; requests as its controller makes them."""

import pathlib
import subprocess
import sys

import grpc

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROTO = ROOT / "jetcal" / "suggest" / "katib.proto"


def generate(folder):
    """Compiles the messages and stubs into `folder` and imports them."""
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}", f"--python_out={folder}",
                    f"--grpc_python_out={folder}", str(PROTO)], check=True)
    sys.path.insert(0, str(folder))
    import katib_pb2
    import katib_pb2_grpc
    return katib_pb2, katib_pb2_grpc


OPTIMIZERS = ["adam", "adamw", "adagrad", "rmsprop", "ranger"]


def pfn_parameters(pb):
    """The paper's space of the PFN, as text, as Katib sends it."""
    spec, space = pb.ParameterSpec, pb.FeasibleSpace
    return [
        spec(name="num_conv_layers", parameter_type=pb.INT, feasible_space=space(min="1", max="5")),
        spec(name="conv_dim", parameter_type=pb.DISCRETE, feasible_space=space(list=["50", "100", "200", "400"])),
        spec(name="num_fc_layers", parameter_type=pb.INT, feasible_space=space(min="1", max="5")),
        spec(name="fc_dim", parameter_type=pb.DISCRETE, feasible_space=space(list=["50", "100", "200", "400"])),
        spec(name="dropout", parameter_type=pb.DOUBLE, feasible_space=space(min="0", max="0.5")),
        spec(name="lr", parameter_type=pb.DOUBLE,
             feasible_space=space(min="1e-5", max="1e-2", distribution=pb.LOG_UNIFORM)),
        spec(name="optimizer", parameter_type=pb.CATEGORICAL, feasible_space=space(list=OPTIMIZERS)),
    ]


def particlenet_parameters(pb):
    spec, space = pb.ParameterSpec, pb.FeasibleSpace
    return [
        spec(name="num_edge_conv_blocks", parameter_type=pb.INT, feasible_space=space(min="1", max="3")),
        spec(name="k", parameter_type=pb.DISCRETE, feasible_space=space(list=["4", "8", "16"])),
        spec(name="num_conv_layers", parameter_type=pb.INT, feasible_space=space(min="1", max="3")),
        spec(name="conv_dim", parameter_type=pb.DISCRETE, feasible_space=space(list=["50", "100", "200"])),
        spec(name="num_fc_layers", parameter_type=pb.INT, feasible_space=space(min="1", max="3")),
        spec(name="fc_dim", parameter_type=pb.DISCRETE, feasible_space=space(list=["50", "100", "200"])),
    ] + pfn_parameters(pb)[4:]


def experiment(pb, algorithm="random", parameters=None, settings=None, name="jec", maximize=False, **spec):
    return pb.Experiment(name=name, spec=pb.ExperimentSpec(
        parameter_specs=pb.ExperimentSpec.ParameterSpecs(parameters=parameters or pfn_parameters(pb)),
        objective=pb.ObjectiveSpec(type=pb.MAXIMIZE if maximize else pb.MINIMIZE, objective_metric_name="test_loss",
                                   additional_metric_names=["test_mse"]),
        algorithm=pb.AlgorithmSpec(algorithm_name=algorithm, algorithm_settings=[
            pb.AlgorithmSetting(name=key, value=str(value)) for key, value in (settings or {}).items()]),
        parallel_trial_count=10, max_trial_count=spec.pop("max_trial_count", 60), **spec))


def trial(pb, name, assignments, condition, value=None, start="", labels=None):
    """A trial as the controller tells of it; assignments are those of a reply, or pairs."""
    pairs = [(item.name, item.value) for item in assignments] if not isinstance(assignments, dict) else assignments.items()
    metrics = [pb.Metric(name="test_loss", value=str(value)), pb.Metric(name="test_mse", value="unavailable")] \
        if value is not None else []
    return pb.Trial(name=name, spec=pb.TrialSpec(
        objective=pb.ObjectiveSpec(type=pb.MINIMIZE, objective_metric_name="test_loss"),
        parameter_assignments=pb.TrialSpec.ParameterAssignments(
            assignments=[pb.ParameterAssignment(name=key, value=text) for key, text in pairs]), labels=labels or {}),
        status=pb.TrialStatus(start_time=start, condition=condition, observation=pb.Observation(metrics=metrics)))


def check_assignments(parameters, assignments):
    """Every parameter once, in the experiment's order, with a value of its space, in its own words."""
    assert [item.name for item in assignments] == [parameter.name for parameter in parameters]
    for parameter, item in zip(parameters, assignments):
        space = parameter.feasible_space
        if space.list:
            assert item.value in space.list, item
        else:
            assert float(space.min) <= float(item.value) <= float(space.max), item
            if parameter.parameter_type == 2:  # INT
                assert str(int(item.value)) == item.value


def values_of(reply):
    return [tuple((item.name, item.value) for item in one.assignments) for one in reply.parameter_assignments]


def refusal(call, request):
    """The code and message with which a call fails."""
    try:
        call(request, timeout=60)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("the call was not refused")
