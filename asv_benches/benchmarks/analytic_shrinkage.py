"""AnalyticShrinkage beside what else estimates a covariance of real tables."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import EmpiricalCovariance, GraphicalLassoCV
from sklearn.decomposition import FactorAnalysis

from . import random_matrix_filter as tables


class Experts(tables.Likelihoods):
    """What an expert would use instead: log-likelihood of held-out rows, three folds

    Training rows standardized. "few": two for each feature; "all": four fifths of the table.
    """

    seeds = 3
    may_use = ("nonlinshrink",)

    def methods(self, data):
        train, test = data
        calls = super().methods(data)
        kept = ("AnalyticShrinkage", "RandomMatrixFilter", "mle, stein, rank by CV")
        calls = {name: calls[name] for name in (*kept, "LedoitWolf", "OAS")}
        factors = tables.by_likelihood(FactorAnalysis(), train.shape[1])
        calls["factor analysis, CV"] = lambda: factors.fit(train).score(test)
        calls["graphical lasso, CV"] = lambda: GraphicalLassoCV(cv=3).fit(train).score(test)
        try:
            from nonlinshrink import shrink_cov
        except ImportError:
            return calls

        def nonlinear():
            peer = EmpiricalCovariance().fit(train)
            peer.precision_ = np.linalg.inv(shrink_cov(train))
            return peer.score(test)

        return calls | {"nonlinshrink": nonlinear}
