from pilothouse.api.client import Client as Client
from pilothouse.api.estimators import Estimator as Estimator
from pilothouse.api.functions import load as load
from pilothouse.api.functions import log_outcomes as log_outcomes
from pilothouse.api.functions import log_predictions as log_predictions
from pilothouse.api.functions import run as run
from pilothouse.api.listed import Listed as Listed
from pilothouse.api.receipts import OutcomeReceipt as OutcomeReceipt
from pilothouse.api.receipts import Receipt as Receipt
from pilothouse.api.run_values import Artifact as Artifact
from pilothouse.api.run_values import Comparison as Comparison
from pilothouse.api.run_values import Data as Data
from pilothouse.api.run_values import Point as Point
from pilothouse.api.run_values import RecordedRun as RecordedRun
from pilothouse.api.runs import Run as Run
from pilothouse.api.values import Finding as Finding
from pilothouse.api.values import Gate as Gate
from pilothouse.api.values import Job as Job
from pilothouse.api.values import Metric as Metric
from pilothouse.api.values import Model as Model
from pilothouse.api.values import Request as Request
from pilothouse.api.values import Version as Version
from pilothouse.domain.errors import ConflictError as ConflictError
from pilothouse.domain.errors import IntegrityError as IntegrityError
from pilothouse.domain.errors import InvalidInputError as InvalidInputError
from pilothouse.domain.errors import NotAllowedError as NotAllowedError
from pilothouse.domain.errors import NotFoundError as NotFoundError
from pilothouse.domain.errors import PilothouseError as PilothouseError
from pilothouse.domain.errors import UnavailableError as UnavailableError

__version__: str
__all__: list[str]
